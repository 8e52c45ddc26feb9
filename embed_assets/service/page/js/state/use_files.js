// Files as parts of the query: chosen, dropped or pasted, and sent to the service.
import { useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { upload } from "../api.js";
import { bytes } from "../format.js";

export function useFiles(go, limit) {
  const [uploads, setUploads] = useState([]);
  const [problem, setProblem] = useState("");
  const previews = useRef(new Map());
  const take = async (files) => {
    setProblem("");
    for (const file of files) {
      if (limit && file.size > limit) {
        setProblem(`${file.name} has ${bytes(file.size)}; the service takes at most ${bytes(limit)}.`);
        continue;
      }
      const show = (done) =>
        setUploads((all) => [...all.filter((each) => each.name !== file.name), { name: file.name, done }]);
      show(0);
      try {
        const hash = await upload(file, show);
        previews.current.set(hash, URL.createObjectURL(file));
        const type = file.type.split("/")[0] || "file";
        const part = { kind: "file", weight: 1, value: hash, type, label: file.name };
        const others = (parts) => parts.filter((each) => each.value !== hash);
        go(({ parts }) => ({ parts: [...others(parts), part], item: "", k: undefined }));
      } catch (error) {
        setProblem(`${file.name}: ${error.message}`);
      } finally {
        setUploads((all) => all.filter((each) => each.name !== file.name));
      }
    }
  };
  return { uploads, previews: previews.current, take, problem };
}

export function useDrop(take) {
  const [over, setOver] = useState(false);
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    let depth = 0;
    const isFile = (event) => event.dataTransfer?.types.includes("Files");
    const enter = (event) => {
      if (isFile(event)) {
        depth += 1;
        setOver(true);
      }
    };
    const leave = (event) => {
      if (isFile(event) && (depth -= 1) <= 0) {
        depth = 0;
        setOver(false);
      }
    };
    const hover = (event) => isFile(event) && event.preventDefault();
    const drop = (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      latest.current([...event.dataTransfer.files]);
    };
    const paste = (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length) {
        event.preventDefault();
        latest.current(files);
      }
    };
    const events = { dragenter: enter, dragleave: leave, dragover: hover, drop, paste };
    for (const [name, call] of Object.entries(events)) addEventListener(name, call);
    return () => {
      for (const [name, call] of Object.entries(events)) removeEventListener(name, call);
    };
  }, []);
  return over;
}

"""unsupported: file types that nothing here decodes: their detection, and the reason with a way out."""

import re

WITH_NULS = "text/x-with-nuls"
_ZIP, _OLE = "application/zip", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_DIRECTORY = 2**18  # bytes at the end of a zip, where its names are

# Types of a zip, by a name in its directory.
_ZIPPED = (
    (b"xl/workbook", f"{_OFFICE}spreadsheetml.sheet"),
    (b"ppt/presentation", f"{_OFFICE}presentationml.presentation"),
    (b"AndroidManifest.xml", "application/vnd.android.package-archive"),
    (b"META-INF/MANIFEST.MF", "application/java-archive"),
)
_MIMETYPE = re.compile(rb"PK\x03\x04.{26}mimetype(application/[\w.+-]+?)(?:PK|$)", re.S)
# Types of a compound file of Microsoft's, by a name in it.
_COMPOUND = (
    ("WordDocument", "application/msword"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("__properties_version1.0", "application/vnd.ms-outlook"),
    ("VisioDocument", "application/vnd.visio"),
)
# Types that FFmpeg, Pillow and filetype don't know, or know and don't read.
_SIGNATURES = (
    (b"SDPX", "image/x-dpx"),
    (b"XPDS", "image/x-dpx"),
    (b"v/1\x01", "image/x-exr"),
    (b"#?RADIANCE", "image/vnd.radiance"),
    (b"P7\n", "image/x-portable-arbitrarymap"),
    (b"PF\n", "image/x-portable-floatmap"),
    (b"SIMPLE  =", "image/fits"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cJXL ", "image/jxl"),
    (b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
    (b"\x93NUMPY", "application/x-npy"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"ARROW1", "application/vnd.apache.arrow.file"),
    (b"Obj\x01", "application/avro"),
    (b"\x1f\x9d", "application/x-compress"),
    (b"(\xb5/\xfd", "application/zstd"),
    (b"\x00asm", "application/wasm"),
    (b"\xca\xfe\xba\xbe", "application/java-vm"),
    (b"wOF2", "application/font-woff2"),
    (b"\xde\x12\x04\x95", "application/x-gettext-translation"),
    (b"\x95\x04\x12\xde", "application/x-gettext-translation"),
)

_UNPACK = "unpack it"
_RAW = "a camera's raw picture: develop it, and save it as JPEG"
_TABLE = "a table: name its column of texts in the source's table setting"
_FONT = "a font"
_DESCRIPTIONS = {
    "application/octet-stream": "of no kind that is known here: save it as a common one",
    f"{_OFFICE}spreadsheetml.sheet": "an Excel workbook (.xlsx): save its sheets as .csv",
    "application/vnd.ms-excel": "an Excel workbook (.xls): save its sheets as .csv",
    f"{_OFFICE}presentationml.presentation": "a PowerPoint presentation (.pptx): save it as .pdf",
    "application/vnd.ms-powerpoint": "a PowerPoint presentation (.ppt): save it as .pdf",
    "application/msword": "a Word document of before 2007 (.doc): save it as .docx",
    "application/vnd.ms-outlook": "an Outlook message (.msg): save it as .txt or .html",
    "application/vnd.visio": "a Visio drawing: save it as .pdf",
    f"{_OPEN}text": "an OpenDocument text (.odt): save it as .docx or .pdf",
    f"{_OPEN}spreadsheet": "an OpenDocument spreadsheet (.ods): save its sheets as .csv",
    f"{_OPEN}presentation": "an OpenDocument presentation (.odp): save it as .pdf",
    f"{_OPEN}graphics": "an OpenDocument drawing (.odg): save it as .png or .pdf",
    "application/epub+zip": "an e-book (.epub): save it as .html or .txt",
    "application/rtf": "rich text (.rtf): save it as .docx",
    "application/postscript": "PostScript, which is a program: save it as .pdf, for instance by ps2pdf",
    "image/svg+xml": "a drawing (.svg): save it as .png",
    "image/heic": "a picture of HEIF (.heic): save it as .jpg",
    "image/heif": "a picture of HEIF (.heif): save it as .jpg",
    "image/jxl": "a picture of JPEG XL (.jxl): save it as .png",
    "image/vnd.ms-photo": "a picture of JPEG XR (.jxr): save it as .png",
    "image/x-canon-cr2": _RAW,
    "image/x-xcf": "a picture of GIMP (.xcf): export it as .png",
    "image/vnd.dwg": "a drawing of AutoCAD (.dwg): save it as .pdf",
    "application/dicom": "a medical picture (.dcm): export it as .png",
    "image/x-dpx": "a picture of DPX, whose colours are a film's: save it as .png",
    "image/x-exr": "a picture of OpenEXR, whose values are of light: save it as .png",
    "image/vnd.radiance": "a picture of Radiance (.hdr), whose values are of light: save it as .png",
    "image/x-portable-arbitrarymap": "a picture of PAM: save it as .png",
    "image/x-portable-floatmap": "a picture of PFM, whose values are of light: save it as .png",
    "image/fits": "an astronomer's picture (.fits): save it as .png",
    "application/x-hdf5": "an HDF5 file: save what is in it as .csv or .parquet",
    "application/x-npy": "an array of NumPy (.npy): save it as .csv or .png",
    "application/vnd.apache.parquet": _TABLE,
    "application/vnd.apache.arrow.file": "an Arrow file: save it as .parquet",
    "application/avro": "an Avro file: save it as .parquet",
    "application/x-sqlite3": "a database of SQLite: save its tables as .csv",
    "application/x-gettext-translation": "translations of a program (.mo)",
    "application/x-shockwave-flash": "a Flash film, with no sound and no video that can be decoded",
    "application/x-executable": "a program, or a part of one",
    "application/x-msdownload": "a program of Windows",
    "application/wasm": "a program of WebAssembly",
    "application/java-vm": "a program of Java, or of a Mac",
    WITH_NULS: "a text with NULs in it: save it without them",
    "application/java-archive": "a program of Java (.jar)",
    "application/vnd.android.package-archive": "a program of Android (.apk)",
    "application/x-unix-archive": "a library of a program, or another archive of ar",
    "application/font-sfnt": _FONT,
    "application/font-woff": _FONT,
    "application/font-woff2": _FONT,
    "application/vnd.ms-fontobject": _FONT,
    _ZIP: f"an archive (.zip): {_UNPACK}",
    "application/gzip": f"a compressed file (.gz): {_UNPACK}",
    "application/x-bzip2": f"a compressed file (.bz2): {_UNPACK}",
    "application/x-xz": f"a compressed file (.xz): {_UNPACK}",
    "application/zstd": f"a compressed file (.zst): {_UNPACK}",
    "application/x-lz4": f"a compressed file (.lz4): {_UNPACK}",
    "application/x-compress": f"a compressed file (.Z): {_UNPACK}",
    "application/x-tar": f"an archive (.tar): {_UNPACK}",
    "application/x-7z-compressed": f"an archive (.7z): {_UNPACK}",
    "application/x-rar-compressed": f"an archive (.rar): {_UNPACK}",
}


def unsupported(mime: str) -> str:
    """Return the reason for which a file of a type that nothing decodes is quarantined."""
    description = _DESCRIPTIONS.get(mime)
    return f"unsupported type: {mime}" if description is None else f"unsupported type: {mime} ({description})"


def foreign_kind(data: bytes, mime: str | None) -> str | None:
    """Return a more specific type than the given one, else that one. Reads the beginning and the end."""
    if data.startswith(_OLE):
        head = data[: 2**20]
        return next((kind for name, kind in _COMPOUND if name.encode("utf-16-le") in head), mime or "application/x-ole")
    if mime == _ZIP:
        mimetype = _MIMETYPE.match(data[:200])
        if mimetype:
            return mimetype[1].decode()
        names = data[-_DIRECTORY:]
        return next((kind for name, kind in _ZIPPED if name in names), mime)
    if mime is None:
        return next((kind for mark, kind in _SIGNATURES if data.startswith(mark)), None)
    return mime

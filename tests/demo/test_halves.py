"""Training and held-out halves share nothing."""

from embed_assets.demo.captions import Caption, digit_facts, fill_template, fits, scene_facts
from embed_assets.demo.digits import held_out_digits, training_digits
from embed_assets.demo.scenes import (
    CENTRES,
    COLOURS,
    RADII,
    SHAPES,
    all_scenes,
    held_out_scenes,
    render_scene,
    training_scenes,
)


def test_scene_halves_are_disjoint_and_complete() -> None:
    training, held_out = set(training_scenes()), set(held_out_scenes())
    assert not training & held_out
    assert training | held_out == set(all_scenes())
    assert len(training) == len(held_out) == 192


def test_every_word_of_a_held_out_scene_occurs_in_training() -> None:
    words = {value for scene in training_scenes() for value in scene_facts(scene).values()}
    assert words == {*RADII, *COLOURS, *SHAPES, *CENTRES}


def test_digit_halves_are_disjoint_and_complete() -> None:
    training = {index for index, _, _ in training_digits()}
    held_out = {index for index, _, _ in held_out_digits()}
    assert not training & held_out
    assert training | held_out == set(range(1797))


def test_a_scene_is_drawn_the_same_each_time_and_differs_by_variant() -> None:
    scene = all_scenes()[0]
    first, again, other = (render_scene(scene, variant=variant).tobytes() for variant in (0, 0, 1))
    assert first == again != other


def test_a_caption_asks_only_for_what_it_names() -> None:
    scene = scene_facts(all_scenes()[0])
    assert scene == {"size": "small", "colour": "red", "shape": "circle", "position": "top left"}
    caption = fill_template("a {colour} {shape}", scene)
    assert caption == Caption(text="a red circle", asks={"colour": "red", "shape": "circle"})
    assert fits(caption, {**scene, "size": "large"})
    assert not fits(caption, {**scene, "colour": "blue"})
    assert not fits(caption, digit_facts(7))

"""A bundle is its results in one file: nothing is lost, nothing personal is in it, damage is said in a line."""

import json
import lzma
import shutil
import subprocess
import tarfile

import numpy as np
import pytest

from harness.core.errors import UserError
from reports.published.compare import compare
from reports.publishing.export import export
from reports.publishing.report import write_report
from reports.reading.frame import read
from reports.reading.impersonal import impersonal, without_folders
from reports.tables.advise import advise


@pytest.fixture(scope="module")
def bundle(results, tmp_path_factory):
    return export([results], tmp_path_factory.mktemp("bundle") / "mine.tar.xz").file


def tables(folder):
    return {path.name: path.read_bytes() for path in (folder / "tables").iterdir()}


def test_the_report_of_a_bundle_is_that_of_its_folder(made, one, tmp_path):
    runs = made(tmp_path / "runs", strategies=["finetune", "linear_probe"], budgets=["0.1ep", "1ep"], seeds=1)
    one(runs, "ridge", "1ep", 0, stop_after=3, status="failed", error='File "/home/ada/x.py", line 3\nValueError: odd')
    write_report([runs], tmp_path / "folder")
    write_report([export([runs], tmp_path / "x.tar.xz").file], tmp_path / "bundle")
    assert tables(tmp_path / "folder") == tables(tmp_path / "bundle")
    assert (tmp_path / "folder/report.html").read_bytes() == (tmp_path / "bundle/report.html").read_bytes()


def test_compare_advise_and_export_take_a_bundle_where_they_take_a_folder(results, bundle, tmp_path):
    assert compare([bundle]).frame.equals(compare([results]).frame)
    assert advise([bundle], 5e10) == advise([results], 5e10)
    assert export([bundle], tmp_path / "a.toml").records == export([results], tmp_path / "b.toml").records > 0
    assert export([bundle], tmp_path / "again.tar.xz").file.read_bytes() == bundle.read_bytes()


def test_a_bundle_unpacks_to_a_folder_of_results(results, bundle, tmp_path):
    subprocess.run(["tar", "xf", bundle, "-C", tmp_path], check=True)
    logs = {path.relative_to(results): path.read_bytes() for path in results.rglob("events.jsonl")}
    assert {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("events.jsonl")} == logs
    assert len(read([tmp_path]).tasks) == len(read([results]).tasks)


def test_equal_results_make_equal_bytes_wherever_and_whenever_they_lie(results, bundle, tmp_path):
    shutil.copytree(results, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    assert export([tmp_path / "elsewhere"], tmp_path / "x.tar.xz").file.read_bytes() == bundle.read_bytes()


def test_several_folders_become_one_bundle_and_no_run_is_in_it_twice(one, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("b", 1)):
        one(tmp_path / name, "finetune", "1ep", seed)
    made = export([tmp_path / "a", tmp_path / "b"], tmp_path / "x.tar.xz")
    assert (made.runs, made.records) == (2, 16)
    assert len(made.left_out) == 1
    assert "the same run as" in made.left_out[0]
    assert sorted(read([made.file]).runs["seed"]) == [0, 1]


def test_a_bundle_holds_the_copy_of_a_run_that_got_furthest(one, tmp_path):
    one(tmp_path / "a", "finetune", "1ep", 0, stop_after=3, status="interrupted")
    one(tmp_path / "b", "finetune", "1ep", 0)
    made = export([tmp_path / "a", tmp_path / "b"], tmp_path / "x.tar.xz")
    assert (made.runs, made.records) == (1, 8)
    assert f"the same run as {tmp_path / 'b'}" in made.left_out[0]


def test_what_is_damaged_in_a_folder_is_left_out_and_said(one, tmp_path):
    torn, _, bad = one(tmp_path, "finetune", "1ep", 0), one(tmp_path, "ridge", "1ep", 0), one(tmp_path, "knn", "1ep", 0)
    with (torn / "events.jsonl").open("a") as log:
        log.write('{"event":"learn"')
    (bad / "run.json").write_text("{")
    made = export([tmp_path], tmp_path / "x.tar.xz")
    assert (made.runs, made.records) == (2, 16)
    assert sorted(line.partition(": ")[0] for line in made.left_out) == sorted([str(bad), str(torn)])
    assert not read([made.file]).notes


def test_nothing_in_a_bundle_names_a_folder_or_a_machine(one, tmp_path):
    trace = (
        'Traceback (most recent call last):\n  File "/home/ada/my work/strategies/finetune.py", line 3, in f\n'
        "FileNotFoundError: [Errno 2] No such file: '/home/ada/secret/weights.pt' below /home/ada"
    )
    one(tmp_path / "runs", "finetune", "1ep", 0, status="failed", error=trace, stop_after=1,
        stream="folder:/home/ada/pictures/stream.toml", host="ada-laptop", output="/home/ada/x.log",
        hardware={"cpu": "Example CPU", "cores": 2, "system": "Linux 6.1-ada x86_64", "hostname": "ada-1"})  # fmt: skip
    made = export([tmp_path / "runs"], tmp_path / "x.tar.xz").file
    content = lzma.decompress(made.read_bytes())
    assert b"ada" not in content.replace(b"metadata", b"")
    assert b'File \\"finetune.py\\", line 3' in content
    with tarfile.open(made) as tar:
        file = tar.extractfile(next(name for name in tar.getnames() if name.endswith("run.json")))
        assert file is not None
        run = json.load(file)
    assert run["spec"]["stream"] == "folder:stream.toml"
    assert run["hardware"] == {"cpu": "Example CPU", "cores": 2, "system": "Linux x86_64"}
    assert (read([made]).runs["error"] == read([tmp_path / "runs"]).runs["error"]).all()


def test_runs_that_only_a_folder_tells_apart_are_not_made_one(one, tmp_path):
    for place in ("a", "b"):
        one(tmp_path / "runs", f"mine:A(weights='/data/{place}/w.pt')", "1ep", 0)
    with pytest.raises(UserError, match="differ only in a folder"):
        export([tmp_path / "runs"], tmp_path / "x.tar.xz")


@pytest.mark.parametrize(
    ("text", "left"),
    [("at /root/.cache/x/foo.pt: bad", "at foo.pt: bad"), ("'/home/ada.b'", "'…'"), ("~/notes/a.py", "a.py"),
     ("torchvision:resnet18(weights='/x/r.pt')", "torchvision:resnet18(weights='r.pt')"),
     (r"'C:\Users\ada\w.pt'", "'w.pt'"), ("weights=made/r.pt", "weights=made/r.pt"), ("1/2 of a/b", "1/2 of a/b"),
     ("https://example.org/a/b.html", "https://example.org/a/b.html"), ("AMD / Intel", "AMD / Intel")],
)  # fmt: skip
def test_absolute_paths_are_cut_to_their_last_part_and_nothing_else_is(text, left):
    assert without_folders(text) == left
    assert impersonal({"error": {"a": [text]}}) == {"error": {"a": [left]}}


@pytest.mark.parametrize("harm", ["torn", "flipped", "empty", "text", "no tar"])
def test_a_damaged_bundle_is_one_line(bundle, tmp_path, harm):
    content = bundle.read_bytes()
    content = {
        "torn": content[: len(content) // 2],
        "flipped": content[:500] + bytes([content[500] ^ 1]) + content[501:],
        "empty": b"",
        "text": b"hello",
        "no tar": lzma.compress(np.random.default_rng(0).bytes(2000)),
    }[harm]
    (tmp_path / "x.tar.xz").write_bytes(content)
    with pytest.raises(UserError, match="damaged or no bundle") as error:
        read([tmp_path / "x.tar.xz"])
    assert "harness export" in str(error.value)


@pytest.mark.parametrize(("name", "said"), [("x.toml", "--baseline"), ("x.zip", "expected a folder or a .tar.xz")])
def test_another_file_is_refused_with_the_way_to_use_it(tmp_path, name, said):
    (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=said):
        read([tmp_path / name])


def test_an_empty_folder_has_nothing_to_bundle(tmp_path):
    with pytest.raises(UserError, match="no run in"):
        export([tmp_path], tmp_path / "x.tar.xz")


def test_a_task_record_takes_seven_hundred_bytes_at_most(made, tmp_path_factory):
    # Numbers as noisy as measured ones: every float of a record in full.
    base = {"kind": "multiclass", "num_classes": 10, "phase": "development", "year": 2000, "domain": "ocr",
            "provenance": "real", "sizes": {"train": 900, "dev": 90, "dev_test": 90, "test": 90}}  # fmt: skip
    tasks = [{**base, "name": f"task_{i:02}"} for i in range(28)]
    folder = made(tmp_path_factory.mktemp("many"), seeds=2, tasks=tasks, strategies=[f"a(x={i})" for i in range(12)])
    packed = export([folder], folder / "x.tar.xz")
    assert packed.records == 28 * 12 * 3 * 2
    assert packed.file.stat().st_size < 700 * packed.records  # 7,000 of them in 5 MB

"""The page in a real browser: nothing leaves it, filters and sorting and hover work, and everybody can use it."""

import numpy as np
import pytest

from reports.boards.board import boards
from reports.publishing.report import write_report
from reports.reading.frame import read
from reports.statistics.student import here

NASTY = [
    "<script>globalThis.hacked = 1</script>",
    'it\'s "quoted" & $x^2$ {brace}',
    "Größe_日本語_" + "x" * 200,
    "</script><b>",
]


@pytest.fixture(scope="session")
def browse(chromium):
    """Opens a report in Chromium and returns what was seen."""

    def look(report, folder, *widths):
        folder.mkdir(parents=True, exist_ok=True)
        return chromium("look.mjs", report, folder, *widths)

    return look


@pytest.fixture(scope="session")
def seen(browse, results, tmp_path_factory):
    out = tmp_path_factory.mktemp("page")
    return browse(write_report([results], out), out / "screenshots")


@pytest.fixture(scope="session")
def mixed(browse, made, facts, tmp_path_factory):
    """Two streams, one real and one emulated, on two backbones."""
    out = tmp_path_factory.mktemp("mixed")
    real = [task for task in facts if task["provenance"] == "real"]
    drawn = [{**task, "name": f"drawn {task['name']}", "provenance": "emulated"} for task in real]
    for stream, tasks in (("nevis-mini", real), ("nevis22(seed=1)", drawn)):
        for backbone in ("efficientnet_lite0", "torchvision:resnet18(weights='made/on/emulated/tasks/resnet18.pt')"):
            made(out / "runs", strategies=["finetune", "filter_pruned(flops=0.5)"], budgets=["0.1ep", "1ep"], seeds=2,
                 tasks=tasks, stream=stream, setting={"backbone": backbone})  # fmt: skip
    return browse(write_report([out / "runs"], out / "report"), out / "screenshots", "400")


@pytest.fixture(scope="session")
def nasty(browse, one, tmp_path_factory):
    out = tmp_path_factory.mktemp("nasty")
    base = {"year": 2000, "domain": "<i>", "kind": "multiclass", "num_classes": 3, "provenance": "real",
            "phase": "development", "sizes": {"train": 10, "dev": 2, "dev_test": 9, "test": 2}}  # fmt: skip
    tasks = [{"name": name, **base} for name in NASTY]
    for strategy in ("mine:A(x='<img src=x onerror=globalThis.hacked=1>')", "finetune"):
        for budget in ("0.1ep", "1ep"):
            one(out / "runs", strategy, budget, 0, stream="s<'\"&>", tasks=tasks)
    return browse(write_report([out / "runs"], out / "report"), out / "screenshots", "400")


def test_no_console_error_and_no_request_leaves_the_page(seen):
    assert seen["console"] == []
    assert seen["requests"] == []
    assert seen["dialogs"] == 0


@pytest.mark.parametrize("view", range(4), ids=["400 light", "400 dark", "1600 light", "1600 dark"])
def test_axe_finds_no_serious_violation(seen, view):
    assert seen["views"][view]["violations"] == []
    assert seen["views"][view]["passed"] > 10


@pytest.mark.parametrize("view", range(4), ids=["400 light", "400 dark", "1600 light", "1600 dark"])
def test_figures_are_visible_and_nothing_runs_over_the_edge(seen, view):
    found = seen["views"][view]
    assert len(found["figures"]) >= 2
    for box in found["figures"]:
        assert box["width"] > 250
        assert box["height"] > 120
        assert box["left"] >= 0
        assert box["right"] <= found["width"] + 1
    assert found["scrollWidth"] <= found["width"]
    assert found["openWidth"] <= found["width"]


def expected(results, label, budget, keep):
    board = boards(read([results]))[0]
    errors = board.values(label, budget)[[keep(row) for row in board.tasks.itertuples()]]
    return float(np.nanmean(errors, axis=1).mean()), errors.size


def parts(point):
    """(strategy, budget, error, n) of a point's label: strategies may hold commas, so read from the end."""
    head, _, rest = point.partition(", budget ")
    budget, _, rest = rest.partition(", error ")
    return head, budget, float(rest.split()[0].rstrip(",")), int(rest.split("n = ")[1].split(",")[0])


def test_every_point_shows_the_mean_of_the_records(seen, results):
    assert len(seen["all"]["points"][0]) == 21
    for point in seen["all"]["points"][0]:
        label, budget, error, n = parts(point)
        mean, count = expected(results, label, budget, lambda row: True)
        assert error == pytest.approx(mean, abs=6e-4)
        assert n == count


def test_the_filter_of_domain_recomputes_every_point_and_says_so(seen, results):
    domain = seen["domain"]["domain"]
    for point in seen["domain"]["points"][0]:
        label, budget, error, n = parts(point)
        mean, count = expected(results, label, budget, lambda row: row.domain == domain)
        assert error == pytest.approx(mean, abs=6e-4)
        assert n == count
    assert set(seen["domain"]["columns"]) == {"", domain}
    assert "of 8 tasks" in seen["domain"]["status"]
    assert seen["domain"]["told"]
    assert seen["reset"]["points"] == seen["all"]["points"]


def test_the_table_of_the_main_picture_follows_the_filter_of_domain_and_comes_back(seen, results):
    domain, rows = seen["domain"]["domain"], seen["domain"]["rows"]
    assert len(rows) == 21
    for row in rows:
        mean, count = expected(results, row[0], row[1], lambda task: task.domain == domain)
        assert float(row[5].split()[0]) == pytest.approx(mean, abs=6e-4)
        assert int(row[11]) == count
        # What the browser cannot know of some tasks alone is not left standing from all.
        assert row[3] == row[6] == row[7] == "\u2013"
    assert seen["domain"]["figures"]
    assert seen["reset"]["rows"] == seen["all"]["rows"]


def test_intervals_in_a_filtered_table_are_those_of_the_report(seen, results):
    board, domain = boards(read([results]))[0], seen["domain"]["domain"]
    keep = [row.domain == domain for row in board.tasks.itertuples()]
    for row in seen["domain"]["rows"]:
        ends = here(board.values(row[0], row[1])[keep]).share
        low, high = (float(end) for end in row[5].split("[")[1].rstrip("]").split(", "))
        assert [low, high] == pytest.approx(list(ends), abs=2e-3)


def test_the_filter_of_provenance_chooses_the_verdicts_on_those_tasks(seen):
    assert {row[2] for row in seen["reset"]["claims"]} == {"7 real, 1 emulated"}
    assert seen["provenance"]["kind"] == "real"
    assert {row[2] for row in seen["provenance"]["claims"]} == {"7 real"}


def test_the_picture_and_the_table_give_one_interval_for_one_number(seen):
    shown = {(row[0], row[1]): row[5] for row in seen["domain"]["rows"]}
    for point in seen["domain"]["points"][0]:
        label, budget, _, _ = parts(point)
        assert point.split("[")[1].split("]")[0] == shown[label, budget].split("[")[1].rstrip("]")


def test_filters_of_budget_and_strategy_reach_picture_and_tables(seen):
    assert {parts(point)[1] for point in seen["budget"]["points"][0]} == {seen["budget"]["budget"]}
    assert {row[1] for row in seen["budget"]["rows"]} == {seen["budget"]["budget"]}
    assert seen["strategy"]["name"] not in {parts(point)[0] for point in seen["strategy"]["points"][0]}
    assert len(seen["strategy"]["rows"]) == seen["all"]["rows"] - 3


def test_one_strategy_can_be_seen_alone_and_the_address_says_so(seen):
    only = seen["only"]
    assert {parts(point)[0] for point in only["points"][0]} == {only["name"]} == set(only["again"])
    assert "only=" in only["address"]
    assert only["gray"] == 0
    assert seen["none"]["points"] == [[]]
    assert "Nothing is left" in seen["none"]["text"]
    assert seen["cleared"]["points"] == seen["all"]["points"]
    assert "?" not in seen["cleared"]["address"]


def test_the_first_screen_holds_the_answer_and_the_strip(seen):
    answer, strip = seen["first"]
    assert answer < strip < 900


def test_the_picture_can_be_seen_against_seconds(seen):
    assert "seconds a task" in seen["seconds"]


def test_a_click_on_a_head_sorts_and_another_turns_it_round(seen):
    def errors(rows):
        return [float(row[5].split()[0]) for row in rows]

    assert seen["up"]["sort"] == "ascending"
    assert errors(seen["up"]["rows"]) == sorted(errors(seen["up"]["rows"]))
    assert seen["down"]["sort"] == "descending"
    assert errors(seen["down"]["rows"]) == sorted(errors(seen["up"]["rows"]), reverse=True)


def test_hover_and_focus_show_what_a_point_is(seen):
    assert seen["hover"]["shown"]
    assert seen["hover"]["gone"]
    assert all(word in seen["hover"]["text"] for word in ("budget", "error", "FLOPs", "seeds", "n = 16"))
    assert seen["focus"] == {"shown": True, "gone": True}


def test_every_task_and_seed_of_what_is_in_color_can_be_shown_and_names_task_seed_and_cost(seen):
    assert seen["dots"]["count"] == 6 * 3 * 8 * 2
    assert all(word in seen["dots"]["text"] for word in ("task ", "seed ", "FLOPs", "error"))


def test_a_claim_leads_to_the_runs_it_rests_on(seen):
    assert seen["link"]["hit"] == seen["link"]["said"] > 0


def test_without_scripts_the_picture_is_still_there(seen):
    assert seen["still"] == {"figure": True, "form": False}


def test_names_of_any_kind_run_nothing_and_read_as_they_are(nasty):
    assert nasty["hacked"] is None
    assert nasty["dialogs"] == 0
    assert nasty["console"] == []
    assert nasty["requests"] == []
    for name in NASTY:
        assert name in nasty["text"]
    for view in nasty["views"]:
        assert view["violations"] == []
        assert view["scrollWidth"] <= view["width"]


def test_streams_and_backbones_stand_side_by_side_and_each_is_usable(mixed):
    assert mixed["console"] == []
    assert [len(points) for points in mixed["all"]["points"]] == [4, 4, 4, 4]
    for view in mixed["views"]:
        assert view["violations"] == []
        assert max(view["scrollWidth"], view["openWidth"]) <= view["width"]
    for where in ("nevis-mini, {}: 7 real", "nevis22, {}: 7 emulated"):
        assert all(where.format(net) in mixed["text"] for net in ("efficientnet_lite0", "resnet18"))


def test_a_claim_leads_to_the_runs_of_its_own_backbone_only(mixed):
    assert mixed["link"]["hit"] == mixed["link"]["said"] > 0

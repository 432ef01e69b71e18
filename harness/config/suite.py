"""What is to be run? A suite: a TOML file of streams, strategies, budgets, seeds and one setting, and its runs."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.config.notation import Written, parse
from harness.config.options import flat
from harness.config.precision import FORMATS, resolved
from harness.config.registry import canonical, make, make_with_modules, module_of
from harness.config.source import source_hash
from harness.config.suites import suites
from harness.config.toml_file import read_toml
from harness.core.budget import Budget
from harness.core.errors import UserError, unknown
from harness.core.spec import RunSpec, Setting
from harness.core.stream import Stream


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Sweep(_Strict):
    use: str
    sweep: dict[str, list[Any]] = Field(default_factory=dict)


class _Setting(_Strict):
    backbone: str = ""
    size: int = Field(default=Setting.size, ge=8, le=1024)
    precision: str = Setting.precision


class _File(_Strict):
    about: str = ""
    streams: list[str] = Field(min_length=1)
    strategies: list[str | _Sweep] = Field(min_length=1)
    budgets: list[str] = Field(min_length=1)
    backbones: list[str] = Field(default_factory=list)
    seeds: int | list[int] = 1
    setting: _Setting = Field(default_factory=_Setting)


@dataclass(frozen=True)
class Suite:
    """The runs a person asked for, as written; :meth:`specs` makes them exact.

    Attributes:
        about: one sentence for ``harness list suites``.
        backbones: each gives a board of its own.
        setting: what else the runs share; its backbone is the first of ``backbones``.
    """

    name: str
    about: str
    streams: tuple[str, ...]
    strategies: tuple[str, ...]
    backbones: tuple[str, ...]
    budgets: tuple[Budget, ...]
    seeds: tuple[int, ...]
    setting: Setting

    def specs(self) -> list[RunSpec]:
        """Every run: streams x backbones x strategies x budgets x seeds, cheap runs of all strategies first.

        Raises:
            UserError: a stream, a strategy, an option or a backbone cannot be had.
        """
        nets = [(written, *make_with_modules("backbones", written)) for written in self.backbones]
        strategies = [(written, *make_with_modules("strategies", written)) for written in self.strategies]
        placed = {
            written_net: [(*on_net(written, strategy, backbone.name), makes) for written, strategy, makes in strategies]
            for written_net, backbone, _ in nets
        }
        found = []
        # Files are read once for all runs.
        read = cache(sources)
        for name, net, budget, seed in itertools.product(self.streams, nets, self.budgets, self.seeds):
            stream, makes_stream = _opened(name)
            written_net, backbone, makes_net = net
            setting = replace(
                self.setting,
                backbone=written_net,
                weights_hash=backbone.weights_hash,
                precision=resolved(self.setting.precision, backbone),
            )
            for text, here, makes_strategy in placed[written_net]:
                spec = RunSpec(
                    stream=stream.name,
                    fingerprint=stream.fingerprint(),
                    strategy=text,
                    options=tuple(flat(here).items()),
                    strategy_version=here.version,
                    budget=budget,
                    setting=setting,
                    seed=seed,
                    identity=stream.identity,
                    sources=read(strategy=makes_strategy, stream=makes_stream, backbone=makes_net),
                )
                found.append(spec)
        return list({spec.key: spec for spec in found}.values())


def on_net(written: str, strategy: Any, net: str) -> tuple[str, Any]:
    """The one form in which ``strategy``, that ``written`` names, is called by on the backbone ``net``; and it, there.

    A recipe that is written and would be the net's anyway is left out.

    Raises:
        UserError: an option is not for ``net``, or a recipe is left open.
    """
    called, here = canonical(written, strategy), strategy.on_net(net)
    options = flat(here)
    if options.get("recipe") == "auto":
        raise UserError(
            f"strategy {written}: recipe=auto was not settled for {net}, so that its runs could not be told from those "
            "by another recipe; override on_net, as Finetune does with strategies.learners.recipes.in_force"
        )
    if "recipe" in called.options:
        plain = Written(called.name, {name: value for name, value in called.options.items() if name != "recipe"})
        unwritten: Any = make("strategies", str(plain)).on_net(net)
        if (flat(unwritten), unwritten.version) == (options, here.version):
            called = plain
    return str(called), here


def opened(name: str) -> Stream:
    """The stream of that name, opened once a process."""
    return _opened(name)[0]


def _opened(name: str) -> tuple[Stream, frozenset[str]]:
    return _opened_of(name, source_hash([module_of("streams", name)]))


@cache
def _opened_of(name: str, source: str) -> tuple[Stream, frozenset[str]]:
    """A stream that is a plugin is opened anew after an edit."""
    return make_with_modules("streams", name)


def sources(**modules: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """The hash of the source of each that is a plugin, as a :class:`RunSpec` has it."""
    return tuple((name, found) for name, mine in modules.items() if (found := source_hash(mine)))


def load_suite(name: str) -> Suite:
    """Read a suite by its name or from a TOML file.

    Raises:
        UserError: no such suite, or the file is wrong; the message names the key.
    """
    path = Path(name)
    if path.suffix != ".toml":
        known = suites()
        if name not in known:
            raise unknown("suite", name, known, hint="or write the path of a .toml file")
        path = known[name]
    try:
        content = _File.model_validate(read_toml(path, what=f"suite {path}"))
    except ValidationError as error:
        raise _explained(path, error) from error
    seeds = range(content.seeds) if isinstance(content.seeds, int) else content.seeds
    if content.backbones and content.setting.backbone:
        raise UserError(f"suite {path}: give backbones = [...] or setting.backbone, not both")
    setting = content.setting.model_dump()
    setting["backbone"] = setting["backbone"] or Setting.backbone
    return build_suite(
        name=path.stem,
        about=content.about,
        streams=content.streams,
        strategies=[written for entry in content.strategies for written in _swept(entry)],
        budgets=content.budgets,
        seeds=list(seeds),
        backbones=content.backbones,
        setting=Setting(**setting),
    )


def build_suite(
    *,
    name: str,
    about: str,
    streams: Sequence[str],
    strategies: Sequence[str],
    budgets: Sequence[str],
    seeds: Sequence[int],
    setting: Setting,
    backbones: Sequence[str] = (),
) -> Suite:
    """A suite from written parts, each checked for its form.

    Args:
        backbones: instead of the one of ``setting``.

    Raises:
        UserError: a part has another form than expected.
    """
    if not seeds or any(seed < 0 for seed in seeds):
        raise UserError(f"suite {name}: seeds are {list(seeds)}; expected at least one, none negative")
    if setting.precision not in FORMATS:
        raise unknown("precision", setting.precision, FORMATS)
    nets = tuple(dict.fromkeys(backbones)) or (setting.backbone,)
    for text in (*streams, *strategies, *nets):
        parse(text)
    return Suite(
        name=name,
        about=about,
        streams=tuple(streams),
        strategies=tuple(strategies),
        backbones=nets,
        budgets=tuple(Budget.parse(budget) for budget in budgets),
        seeds=tuple(seeds),
        setting=replace(setting, backbone=nets[0]),
    )


def _swept(entry: str | _Sweep) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    written = parse(entry.use)
    for key, values in entry.sweep.items():
        if not values:
            raise UserError(f"sweep of {entry.use}: {key} has no values")
    keys = list(entry.sweep)
    combined = itertools.product(*entry.sweep.values())
    return [str(Written(written.name, {**written.options, **dict(zip(keys, v, strict=True))})) for v in combined]


def _explained(path: Path, error: ValidationError) -> UserError:
    first = error.errors()[0]
    place = ".".join(
        str(part) for part in first["loc"] if not str(part).startswith(("_", "function")) and part != "str"
    )
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        parts: dict[str, type[BaseModel]] = {"setting": _Setting, "strategies": _Sweep}
        inside = parts.get(str(first["loc"][0]), _File) if len(first["loc"]) > 1 else _File
        return UserError(f"suite {path}: {unknown('key', key, inside.model_fields)}")
    if first["type"] == "missing":
        return UserError(f"suite {path}: key {place!r} is missing")
    return UserError(f"suite {path}: {place} = {first['input']!r}: {first['msg'].lower()}")

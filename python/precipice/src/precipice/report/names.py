# SPDX-License-Identifier: Apache-2.0
"""What formats are called in figures and tables: by the user's labels, or by names short enough for a legend.

Two formats never get the same name. A name that leaves something out is written with a raised dot, as in
"mxfp8 · e5m3 · 14", which no recipe can contain, and the page has a table of what each of them stands for.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from precipice.html_text import clean

LONGEST = 24  # characters of a name that needs no shortening
LONGEST_HEAD = 16
DOT = " · "
NOTE = "note"  # the config key that says in a word what a run is

Part = Tuple[str, Any]  # a config key and its value
Labels = Mapping[str, Mapping[str, str]]  # by key, by value as text: the tables [labels."KEY"] of sweep.toml


@dataclass
class Format:
    """What is common to the runs of one format: the settings that tell it from the others."""

    parts: Tuple[Part, ...]
    recipe: str = ""  # "" where the recipe does not vary
    tokens: List[Tuple[str, str]] = field(default_factory=list)  # (option, value) of the recipe and of all other parts
    labels: int = 0  # parts for which the user has words: where all have, the name is wrapped, not shortened


def value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + " ".join(value_text(part) for part in value) + "]"
    return f"{value:g}" if isinstance(value, float) else clean(value)


def label_of(labels: Labels, key: str, value: Any) -> str:
    """The user's word for a value, or ""; a number is found however it is written."""
    table = labels.get(key, {})
    text = value_text(value)
    if text in table or not isinstance(value, (int, float)):
        return table.get(text, "")
    for written, label in table.items():
        try:
            if float(written) == float(value):
                return label
        except ValueError:
            continue
    return ""


def full_name(parts: Sequence[Part], recipe_key: str, keys: Sequence[str]) -> str:
    """"fp8, accumulator=fp32": the recipe, then what else is set; keys of one last word are told apart."""
    words = []
    last_words = [key.rsplit(".", 1)[-1] for key in keys]
    for key, value in parts:
        word = key.rsplit(".", 1)[-1]
        name = word if last_words.count(word) < 2 else key
        words.append(value_text(value) if key == recipe_key else f"{name}={value_text(value)}")
    return ", ".join(words) or "as the recipe says"


def shown_names(formats: Mapping[str, Sequence[Part]], recipe_key: str, labels: Labels) -> Dict[str, str]:
    """By full name. The most telling way of shortening under which all names fit and differ; numbers where none does."""
    if all(NOTE in dict(parts) for parts in formats.values()):
        formats, recipe_key = without_what_labels_say(formats, labels), NOTE
    described = {name: describe(parts, recipe_key, labels) for name, parts in formats.items()}
    names = {name: labelled_name(name, each) for name, each in described.items()}
    long = [name for name, each in described.items() if len(names[name]) > LONGEST and each.labels < len(each.parts)]
    for keys in (differing_keys(described.values()), fewest_keys(described.values())):
        for with_keys in (True, False):
            tried = {**names, **{name: joined(described[name], keys, with_keys) for name in long}}
            if len(set(tried.values())) == len(tried) and all(len(tried[name]) <= LONGEST for name in long):
                return tried
    for number, name in enumerate(long, start=1):
        head = described[name].recipe or "format"
        names[name] = f"{head[:LONGEST_HEAD]}{DOT}{number}"
    return made_unique(names)


def without_what_labels_say(formats: Mapping[str, Sequence[Part]], labels: Labels) -> Dict[str, List[Part]]:
    """A note is the user's word for the settings that go with it: those that note and labels decide are left out."""
    settings = [dict(parts) for parts in formats.values()]
    keys = list(dict.fromkeys(key for each in settings for key in each))
    named = [key for key in keys if key == NOTE or all(label_of(labels, key, each.get(key)) for each in settings)]
    values: Dict[str, Dict[str, set]] = {key: {} for key in keys}
    for each in settings:
        said = repr([each.get(key) for key in named])
        for key in keys:
            values[key].setdefault(said, set()).add(repr(each.get(key)))
    decided = {key for key in keys if key not in named and all(len(found) == 1 for found in values[key].values())}
    return {name: [part for part in parts if part[0] not in decided] for name, parts in formats.items()}


def describe(parts: Sequence[Part], recipe_key: str, labels: Labels) -> Format:
    found = Format(tuple(parts))
    for key, value in parts:
        label = label_of(labels, key, value)
        found.labels += bool(label)
        name = key.rsplit(".", 1)[-1]
        if label and key == recipe_key:
            found.recipe = label
        elif label:
            found.tokens.append((name, label))
        else:
            head, *options = split_options(value_text(value))
            if key == recipe_key:
                found.recipe = head
            else:
                found.tokens.append((name, head.rsplit("/", 1)[-1]))
            found.tokens += [option_of(option) for option in options]
    return found


def split_options(text: str) -> List[str]:
    """"tensor-core:bits=14,width=4" to ["tensor-core", "bits=14", "width=4"]."""
    head, colon, options = text.partition(":")
    return [head] + [option for option in options.split(",") if option] if colon and "=" in options else [text]


def option_of(text: str) -> Tuple[str, str]:
    key, equals, value = text.partition("=")
    return (key, value) if equals else ("", text)


def labelled_name(name: str, described: Format) -> str:
    """The full name, or what it becomes where the user labelled a part of it."""
    if not described.labels:
        return name
    words = [described.recipe] * bool(described.recipe)
    return ", ".join(words + [f"{key}={value}" if key else value for key, value in described.tokens])


def differing_keys(formats: Iterable[Format]) -> Dict[str, List[str]]:
    """By recipe the options in which its formats differ; of a lone format all of them."""
    by_recipe: Dict[str, List[Format]] = {}
    for each in formats:
        by_recipe.setdefault(each.recipe, []).append(each)
    found = {}
    for recipe, group in by_recipe.items():
        keys = list(dict.fromkeys(key for each in group for key, _ in each.tokens))
        common = set.intersection(*(set(each.tokens) for each in group)) if len(group) > 1 else set()
        found[recipe] = [key for key in keys if any(key == k and (k, v) not in common for e in group for k, v in e.tokens)]
    return found


def fewest_keys(formats: Iterable[Format]) -> Dict[str, List[str]]:
    """By recipe the options that are enough to tell its formats apart: the longest words go first."""
    every = list(formats)
    found = differing_keys(every)
    for recipe, keys in found.items():
        group = [each for each in every if each.recipe == recipe]
        lengths = {key: max(len(v) for each in group for k, v in each.tokens if k == key) for key in keys}
        for key in sorted(keys, key=lambda each: -lengths[each]):
            fewer = [other for other in keys if other != key]
            if len({joined(each, {recipe: fewer}, True) for each in group}) == len(group):
                keys = fewer
        found[recipe] = keys
    return found


def joined(described: Format, keys: Mapping[str, Sequence[str]], with_keys: bool) -> str:
    tokens = [(key, value) for key, value in described.tokens if key in keys[described.recipe]]
    words = [f"{key}={value}" if key and with_keys else value for key, value in tokens]
    # A lone head would pass for the recipe without options.
    return DOT.join([described.recipe] * bool(described.recipe) + (words or ["…"]))


def made_unique(names: Mapping[str, str]) -> Dict[str, str]:
    counts = Counter(names.values())
    taken, unique = set(names.values()), {}
    for name, shown in names.items():
        if counts[shown] > 1:
            number = 1
            while f"{shown} ({number})" in taken:
                number += 1
            shown = f"{shown} ({number})"
            taken.add(shown)
        unique[name] = shown
    return unique


def renamed(sentence: str, names: Mapping[str, str]) -> str:
    """The program's sentence with the names that the figures use."""
    changed = {name: shown for name, shown in names.items() if name != shown and name in sentence}
    if not changed:
        return sentence
    # All names take part, so that "fp8" is not replaced within "fp8-all"; longest first.
    every = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w=-])({every})(?![\w-])", lambda match: names[match.group(1)], sentence)

#!/usr/bin/env python3
"""The papers say what the programs say. usage: check_papers.py BIN

README.md has a table row for every configuration key, with its unit and default, and names every
endpoint of the REST interface. Every page of man/ passes mandoc's checks. Every program has a page, and each page names

  - of a program with keys (--help lists "[unit; default: …]"): exactly its keys, with unit,
    default and whether they are reloadable;
  - of a program with commands: exactly its commands, as .Ss titles of .Sh COMMANDS, and with each
    command exactly its options; those that every command has may stand in .Sh OPTIONS instead;
  - of each program: the options that --help shows beside those.

"Exactly" goes both ways, so a page cannot name what is gone. An option counts as named where a
.It line has it."""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAN = ROOT / "man"
EVERYWHERE = {"--help", "--version"}        # explained once, not with every command


def pages():
    return sorted(MAN.glob("*.[1-8]"))


def lint(page, manpath):
    """mandoc's complaints. Our pages refer to each other, so they are on its path."""
    run = subprocess.run(["mandoc", "-Tlint", "-Wstyle", str(page)], capture_output=True, text=True,
                         env={**os.environ, "MANPATH": str(manpath)}, check=False)
    lines = [line for line in run.stdout.splitlines() if line]
    return lines or ([f"{page.name}: mandoc ended with {run.returncode}"] if run.returncode else [])


def lint_all():
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for page in pages():
            section = Path(folder) / f"man{page.suffix[1:]}"
            section.mkdir(exist_ok=True)
            (section / page.name).symlink_to(page)
        for page in pages():
            found += lint(page, folder)
    return found


def help_of(program, *words):
    run = subprocess.run([str(program), *words, "--help"], capture_output=True, text=True,
                         timeout=20, check=False)
    if run.returncode != 0 or not run.stdout:
        raise SystemExit(f"check_papers: {program.name} {' '.join(words)} --help ended with "
                         f"{run.returncode}:\n{run.stderr}")
    return run.stdout


def help_options(text):
    """Options of the usage lines, and those that begin a line."""
    usage = text.partition("\n\n")[0].removeprefix("Usage").removeprefix("usage")
    lines = re.findall(r"^[ *]{1,2}(--[a-z].*)$", text, re.M)
    begins = " ".join(re.split(r"\s{2,}", line)[0] for line in lines)
    return set(re.findall(r"--[a-z][a-z0-9_-]*", usage + " " + begins))


def help_commands(text):
    return re.findall(r"^  ([a-z]+(?: [a-z-]+)?)  +\S", text, re.M)


def help_keys(text):
    """{key: (unit, default, reloadable)}"""
    found = re.findall(r"^([* ]) --(\w+) .*\n +\[(.*); default: (.*)\]$", text, re.M)
    return {key: (unit, default, star == "*") for star, key, unit, default in found}


def sections(source, macro):
    """{title: text} of what follows each line ".Sh TITLE" or ".Ss title"."""
    parts = re.split(rf"^\.{macro} (.*)\n", source, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def twice(page, source):
    """Of two sections of one title only the last would be looked at."""
    titles = re.findall(r"^\.S[hs] (.*)$", source, re.M)
    return [f"{page.name}: {title} is there twice" for title in sorted(set(titles))
            if titles.count(title) > 1]


def page_options(text):
    lines = re.findall(r"^\.It (Fl .*)$", text, re.M)
    return {f"-{word}" for line in lines
            for word in re.findall(r"Fl (-[a-z0-9][a-z0-9_-]*)", line.replace("Fl - Ns Ar ", "Fl -"))}


def page_keys(text):
    found = re.findall(r"^\.It Cm (\w+) Pq (.*?); default: (.*?)(; reloadable)?$", text, re.M)
    return {key: (unit, default, bool(star)) for key, unit, default, star in found}


def differences(where, wanted, named):
    return ([f"{where}: {item} is missing" for item in sorted(wanted - named)] +
            [f"{where}: {item} is not in --help" for item in sorted(named - wanted)])


def check_keys(page, keys, source):
    named = page_keys(source)
    wrong = [f"{page.name}: {key} says {named[key]}, --help {keys[key]}"
             for key in keys if key in named and named[key] != keys[key]]
    return differences(page.name, set(keys), set(named)) + wrong


def check_commands(page, program, text, source):
    titles = sections(source, "Sh")
    chapters = sections(titles.get("COMMANDS", ""), "Ss")
    shared = page_options(titles.get("OPTIONS", ""))
    commands = help_commands(text)
    found = differences(page.name, set(commands), set(chapters))
    for command in (c for c in commands if c in chapters):
        wanted = help_options(help_of(program, *command.split())) - EVERYWHERE
        named = page_options(chapters[command]) | shared
        found += differences(f"{page.name}, {command}", wanted, named)
    return found


def check_program(program):
    page = next((p for p in pages() if p.stem == program.name), None)
    if page is None:
        return [f"{program.name} has no page in man/"]
    text, source = help_of(program), page.read_text(encoding="utf-8")
    keys = help_keys(text)
    if keys:
        options = help_options(text) - {f"--{key}" for key in keys} - EVERYWHERE
        return (check_keys(page, keys, source) +
                differences(page.name, options, page_options(source) - EVERYWHERE))
    if help_commands(text):
        return check_commands(page, program, text, source)
    return differences(page.name, help_options(text) - EVERYWHERE,
                       page_options(source) - EVERYWHERE)


def check_readme(program):
    """The rows | `key` | unit | default | …; a path's end that varies is <…> in the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = {key: (unit.replace("\\|", "|"), default.strip("`"))
            for key, unit, default in re.findall(r"^\| `(\w+)`\*? \| (.*?) \| (.*?) \|", text, re.M)}
    keys = help_keys(help_of(program))
    found = differences("README.md", set(keys), set(rows))
    found += [f"README.md: {key} says {rows[key]}, --help {keys[key][:2]}"
              for key in keys if key in rows and rows[key] != keys[key][:2]]
    table = (ROOT / "apps/pbts-tracker/rest/rest.c").read_text(encoding="utf-8")
    paths = re.findall(r'\{ "[A-Z]+", +"(/[^"]*)"', table)
    assert len(paths) > 20, "rest.c has no table of endpoints any more"
    return found + [f"README.md: the endpoint {path} is missing" for path in sorted(set(paths))
                    if not re.search(rf"[ /,`]{re.escape(path.rstrip('*'))}[`<*,? ]", text)]


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    programs = [Path(sys.argv[1]).resolve() / folder.name for folder in sorted((ROOT / "apps").iterdir())
                if (folder / "main.c").exists()]
    found = lint_all()
    for page in pages():
        found += twice(page, page.read_text(encoding="utf-8"))
    for program in programs:
        found += check_program(program)
        if program.name == "pbts-tracker":
            found += check_readme(program)
    print("\n".join(found) or f"{len(pages())} manual pages, {len(programs)} programs: the same")
    return 1 if found or not programs else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Fail when src/ holds mutable file-scope variables: tools/check_globals.py BUILD_FOLDER

Looks for objects in .data and .bss of the modules' libraries in an unsanitized build.
Constant tables with addresses in them are in .data.rel.ro, which is read-only at run time.
"""
import re
import subprocess
import sys
from pathlib import Path

bad = []
for library in sorted(Path(sys.argv[1]).glob("libpbts_*.a")):
    if library.stem.endswith("_parts"):      # of a program, not of src/
        continue
    table = subprocess.run(["objdump", "-t", str(library)], capture_output=True, text=True,
                           check=True).stdout
    for line in table.splitlines():
        hit = re.match(r"^[0-9a-f]+ .{7} (\.t?(?:data|bss)(?:\.(?!rel\.ro)\S+)?|\*COM\*)\t(\S+) +(\S+)$",
                       line)
        if hit and int(hit[2], 16) > 0 and hit[3] != hit[1]:
            bad.append(f"{library.name}: {hit[3]} is a mutable variable ({hit[1]})")
print("\n".join(bad), end="\n" if bad else "")
sys.exit(bool(bad))

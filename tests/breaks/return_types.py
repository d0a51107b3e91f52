"""What functions return, read from the debug information of object files (as llvm-dwarfdump prints it), so that a function
can be replaced by one that returns nothing of note: returnTypes(objects) maps mangled names to

  v nothing   b bool   i integer or enumeration   f floating point   p pointer or reference   t std::string
  sN object of N bytes, returned in memory        rN object of N bytes, returned in registers
"""
import re
import subprocess

DUMP = "llvm-dwarfdump-14"
ENTRY = re.compile(r"^0x([0-9a-f]+):\s+DW_TAG_(\w+)")
ATTRIBUTE = re.compile(r"^\s+DW_AT_(\w+)\s+\((.*)\)$")
WANTED = {"name", "linkage_name", "type", "byte_size", "calling_convention", "specification", "abstract_origin"}
NAMED_ELSEWHERE = ("typedef", "const_type", "volatile_type")
DECLARED_ONLY = {"vector<": 24, "QString": 24, "QByteArray": 24, "QStringList": 24, "QList<": 24}  # bytes
REGISTERS = 16  # bytes of the largest object that is returned in them


def entries(path):
    """Offset -> {"tag": …, attribute: value} of every entry of an object's debug information."""
    table, entry = {}, None
    dump = subprocess.Popen([DUMP, "--debug-info", path], stdout=subprocess.PIPE, text=True, errors="replace")
    for line in dump.stdout:
        if found := ENTRY.match(line):
            entry = table[int(found[1], 16)] = {"tag": found[2]}
        elif (found := ATTRIBUTE.match(line)) and entry is not None and found[1] in WANTED:
            entry[found[1]] = found[2]
    return table


def reference(value):
    return int(re.search(r"0x([0-9a-f]+)", value)[1], 16)


def kindOfObject(entry):
    name = entry.get("name", "").strip('"')
    if name.startswith("basic_string<char"):
        return "t"
    declared = re.match(r"\w+<?", name)
    size = int(entry["byte_size"], 16) if "byte_size" in entry else DECLARED_ONLY.get(declared[0] if declared else "")
    if not size:
        return None
    in_memory = size > REGISTERS or "reference" in entry.get("calling_convention", "")
    return f"{'s' if in_memory else 'r'}{size}"


def kindOf(table, offset):
    entry = table[offset]
    while entry["tag"] in NAMED_ELSEWHERE:
        if "type" not in entry:
            return "v"
        entry = table[reference(entry["type"])]
    name = entry.get("name", "").strip('"')
    if entry["tag"] == "base_type":
        return "b" if name == "bool" else "f" if re.search("float|double", name) else "i"
    if entry["tag"] == "enumeration_type":
        return "i"
    if re.search("pointer|reference", entry["tag"]):
        return "p"
    return kindOfObject(entry) if entry["tag"] in ("structure_type", "class_type", "union_type") else None


def returnTypes(objects):
    """Functions of one name and several types are left out."""
    kinds = {}
    for path in objects:
        table = entries(path)
        for entry in table.values():
            if entry["tag"] != "subprogram":
                continue
            for link in ("specification", "abstract_origin"):
                if link in entry and "linkage_name" not in entry:
                    entry = {**table.get(reference(entry[link]), {}), **entry}
            if "linkage_name" in entry:
                kind = kindOf(table, reference(entry["type"])) if "type" in entry else "v"
                kinds.setdefault(entry["linkage_name"].strip('"'), set()).add(kind)
    return {name: found.pop() for name, found in kinds.items() if len(found) == 1 and found != {None}}

# SPDX-License-Identifier: Apache-2.0
"""What a C++ file uses of the standard library, or of headers that are compiled once for a target
(cmake/precompiled.cmake), arrives by an include of its own or of a header of ours that it includes.

That another standard header happens to bring it is a habit of one library's one version: GCC 14 ended some. A table of
names stands for the library; the headers that the standard itself, or the very purpose of a header, makes provide
others are in PROVIDES."""
import re
import unittest

from tree_test import INCLUDE, ROOT, tracked

MATH = "abs ceil copysign cos erf erfc exp exp2 expm1 fabs floor fma fmod frexp hypot ilogb isfinite isinf isnan ldexp " \
    "lgamma llround log log1p log2 lround nearbyint nextafter pow rint round scalbn signbit sin sqrt tanh trunc"
ALGORITHMS = "adjacent_find all_of any_of binary_search clamp copy copy_if copy_n count count_if equal equal_range fill " \
    "fill_n find find_if find_if_not generate includes is_sorted lower_bound max max_element merge min min_element minmax " \
    "minmax_element mismatch none_of nth_element partial_sort partition replace reverse rotate search shuffle sort " \
    "stable_sort swap_ranges transform unique upper_bound"


def names(text):
    return rf"(?<![\w:])std::({'|'.join(text.split())})\b"


USES = {
    "algorithm": names(ALGORITHMS + " ranges::[a-z_]+") + r"\(",
    "array": names("array"),
    "atomic": names(r"atomic\w*"),
    "bit": names("bit_cast bit_ceil bit_width countl_zero countr_zero endian has_single_bit popcount"),
    "cerrno": r"\berrno\b",
    "charconv": names("from_chars to_chars"),
    "chrono": names("chrono"),
    "cmath": names(MATH) + r"\(",
    "condition_variable": names(r"condition_variable\w*"),
    "csignal": r"\bSIG[A-Z]{2,}\d?\b|\bsigaction\b",
    "cstdint": names(r"u?int(8|16|32|64|ptr|max)_t"),
    "cstdio": names("fclose fopen fprintf fputs fread fwrite perror printf snprintf FILE"),
    "cstdlib": names("abort exit free getenv malloc strtod strtof strtoll system") + r"\(",
    "cstring": names("memcmp memcpy memmove memset strcmp strerror strlen strncmp") + r"\(",
    "filesystem": names("filesystem"),
    "fstream": names("fstream ifstream ofstream"),
    "functional": names("function hash less greater plus multiplies reference_wrapper"),
    "initializer_list": r"\bfor \((?:[^;()]|\([^()]*\))*:\s*\{|std::initializer_list",
    "iostream": names("cerr cin cout"),
    "limits": names("numeric_limits"),
    "map": names("map multimap"),
    "memory": names("enable_shared_from_this make_shared make_unique shared_ptr unique_ptr weak_ptr"),
    "mutex": names("call_once lock_guard mutex once_flag scoped_lock unique_lock"),
    "numbers": names("numbers"),
    "numeric": names("accumulate gcd inner_product iota lcm midpoint partial_sum reduce transform_reduce"),
    "optional": names("make_optional nullopt optional"),
    "ostream": names("ostream"),
    "random": names(r"mt19937(_64)? normal_distribution random_device uniform_\w+_distribution"),
    "regex": names("regex smatch"),
    "set": names("multiset set"),
    "span": names("span"),
    "sstream": names("istringstream ostringstream stringstream"),
    "stdexcept": names("domain_error invalid_argument length_error logic_error out_of_range overflow_error runtime_error"),
    "string": names("getline stod stof stoi stoll string to_string"),
    "string_view": names("string_view"),
    "system_error": names("errc error_code generic_category system_category system_error"),
    "thread": names("this_thread thread"),
    "tuple": names("make_tuple tie tuple") + r"|std::get<\d",
    "type_traits": names(r"conditional_t decay_t enable_if_t invoke_result_t is_\w+_v remove_\w+_t underlying_type_t"),
    "unordered_map": names("unordered_map"),
    "unordered_set": names("unordered_set"),
    "utility": names("as_const declval exchange forward index_sequence integer_sequence make_integer_sequence make_pair "
                     "move pair swap"),
    "variant": names("holds_alternative monostate variant visit"),
    "vector": names("vector"),
}
USES |= {
    "ATen/Parallel.h": r"\bat::(parallel_for|get_num_threads|set_num_threads)\b",
    "ATen/core/Tensor.h": r"\bat::Tensor\b",
    "ATen/core/grad_mode.h": r"\bat::(AutoGradMode|GradMode|NoGradGuard)\b",
    "ATen/ops/empty.h": r"\bat::empty\(",
    "CLI/CLI.hpp": r"\bCLI::",
    "fmt/format.h": r"\bfmt::(format|print|format_to)\(",
    "fmt/ranges.h": r"\bfmt::join\(",
    "nlohmann/json.hpp": r"\bnlohmann::",
    "tests/support/catch.h": r"\bTEST_CASE\(",
}
PROVIDES = {
    "ATen/Parallel.h": {"ATen/ATen.h", "torch/torch.h"},
    "ATen/core/Tensor.h": {"ATen/ATen.h", "torch/torch.h"},
    "cerrno": {"errno.h"},
    "csignal": {"signal.h"},
    "cstdint": {"stdint.h"},
    "cstdio": {"stdio.h"},
    "cstdlib": {"stdlib.h"},
    "initializer_list": {"algorithm", "array", "deque", "functional", "map", "memory", "optional", "set", "span", "string",
                         "string_view", "tuple", "unordered_map", "unordered_set", "utility", "variant", "vector"},
    "nlohmann/json.hpp": {"nlohmann/json_fwd.hpp"},
    "ostream": {"fstream", "iosfwd", "iostream", "sstream"},
    "string_view": {"string"},
    "system_error": {"charconv", "filesystem"},
    "tuple": {"functional", "map", "memory", "utility"},
    "utility": {"algorithm", "array", "functional", "map", "memory", "optional", "tuple", "unordered_map", "variant"},
}
PATTERNS = {header: re.compile(pattern) for header, pattern in USES.items()}


def code_of(text):
    """Without comments and the insides of literals."""
    text = re.sub(r'R"\((.|\n)*?\)"', '""', text)
    text = re.sub(r'"(\\.|[^"\\\n])*"', '""', text)
    return re.sub(r"//.*|/\*(.|\n)*?\*/", "", text)


def missing(files):
    """Sentences about `files`, a dictionary of text by name. Parts of other files (-inl.h) are theirs to include for."""
    includes = {name: INCLUDE.findall(text) for name, text in files.items()}

    def reached(name, seen):
        if name not in seen:
            seen.add(name)
            for include in includes.get(name, []):
                reached(include, seen)
        return seen

    found = []
    for name, text in files.items():
        if name.endswith("-inl.h"):
            continue
        headers, code = reached(name, set()), code_of(text)
        for header, pattern in PATTERNS.items():
            use = None if headers & ({header} | PROVIDES.get(header, set())) else pattern.search(code)
            if use:
                found.append(f"{name} uses {use.group(0)} without <{header}>")
    return found


class IncludesTest(unittest.TestCase):
    def test_every_file_includes_what_it_uses(self):
        files = {name: (ROOT / name).read_text() for name in tracked() if name.endswith((".h", ".cpp"))}
        self.assertGreater(len(files), 50)
        self.assertEqual(missing(files), [])

    def test_a_missing_include_is_named(self):
        found = missing({
            "a.cpp": "#include <csignal>\nvoid f() {\n  for (const int s : {SIGINT, SIGTERM}) raise(s);\n}\n",
            "b.h": "#pragma once\n#include <vector>\n",
            "c.cpp": '#include "b.h"\nstd::vector<int> v;  // std::map\nauto w = std::find(v.begin(), v.end(), "std::set");\n',
        })
        self.assertEqual(found, ["a.cpp uses for (const int s : { without <initializer_list>",
                                 "c.cpp uses std::find( without <algorithm>"])


if __name__ == "__main__":
    unittest.main()

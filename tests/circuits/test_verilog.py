"""Structural Verilog: what is read, round trips, and three tools that agree with us about what it means."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.circuit_files import abc, damaged, iverilog, yosys
from oracles.circuit_truth import (
    all_examples,
    circuits,
    evaluate,
    node_values,
    random_circuit,
    same,
    same_by_name,
)
from rote.circuits import Circuit
from rote.errors import InputError


@pytest.fixture
def verilog(written):
    return lambda text, name="net.v": written(text, name)


HEAD = "module m(a, b, c, f);\n  input a, b, c;\n  output f;\n"
a, b, c = all_examples(3).T


@pytest.mark.parametrize(
    ("body", "truth"),
    [
        ("assign f = a & b;", a & b),
        ("assign f = a | b & c ^ a;", a | ((b & c) ^ a)),
        ("assign f = (a | b) & c;", (a | b) & c),
        ("assign f = ~a ^ b ~^ c;", ~(~a ^ b ^ c)),
        ("assign f = a ^~ b;", ~(a ^ b)),
        ("assign f = ~~(~(a & b) | ~c);", ~(a & b) | ~c),
        ("assign f = a ? b : c;", np.where(a, b, c)),
        ("assign f = a ? b : b ? c : 1'b1;", np.where(a, b, np.where(b, c, True))),
        ("assign f = 1'b1 & ~1'h0 & a;", a),
        ("wire n1, n2; assign f = n1; assign n1 = ~n2, n2 = c;", ~c),
        ("assign n = a;; assign f = n;", a),
        ("and (f, a, b, c);", a & b & c),
        ("nand g1(f, a, b);", ~(a & b)),
        ("or g1 (f, a, b, c);", a | b | c),
        ("nor (f, a, ~b);", ~(a | ~b)),
        ("xor x1(n, a, b), x2(f, n, c);", a ^ b ^ c),
        ("xnor (f, a, b);", ~(a ^ b)),
        ("not (f, a);", ~a),
        ("buf (f, a);", a),
        ("wire [1:0] w; assign w = {a, b}; assign f = w[1] & ~w[0];", a & ~b),
        ("wire [0:1] w; assign w = {a, b}; assign f = w[0] & ~w[1];", a & ~b),
        ("wire [3:2] w; assign {w[2], w[3]} = {a, b} ^ 2'b01; assign f = w[2] & w[3];", a & ~b),
        ("wire [3:0] w; assign w[3:2] = {2{a}} ;", None),
        ("wire [7:0] w; assign w = 8'hA0; assign f = w[7] & ~w[6] & w[5] & a;", a),
        ("wire [7:0] w; assign w = 8'd160; assign f = w[7] & ~w[6] & w[5] & a;", a),
        ("wire [5:0] w; assign w = 6'o1_2; assign f = w[3] & ~w[2] & w[1] & ~w[0] & a;", a),
        ('(* src = "x.v:1" *) assign /* or; not */ f = // really;\n a;', a),
        (r"wire \a&b ; assign \a&b = a & b; assign f = \a&b ;", a & b),
        (r"wire [1:0] \w ; assign w = {a, b}; assign f = \w [1];", a),
    ],
)
def test_what_is_read(verilog, body, truth):
    path = verilog(f"{HEAD}  {body}\nendmodule\n")
    if truth is None:
        with pytest.raises(InputError, match="line 4"):
            Circuit.read(path)
    else:
        assert (evaluate(Circuit.read(path), all_examples(3))[:, 0] == truth).all()


def test_ports_are_bits_in_the_order_of_the_header(verilog):
    text = """
        module top(y, a, z, s);
          output [0:1] z; input [4:3] a; input s; output [2:1] y; wire [2:1] y;
          assign y = a; assign z = a & {s, s};
        endmodule"""
    circuit = Circuit.read(verilog(text))
    assert circuit.inputs == ("a[3]", "a[4]", "s")
    assert circuit.outputs == ("y[1]", "y[2]", "z[1]", "z[0]")
    low, high, s = all_examples(3).T
    want = np.stack([low, high, low & s, high & s], axis=1)
    assert (evaluate(circuit, all_examples(3)) == want).all()


def test_ports_declared_in_the_header(verilog):
    circuit = Circuit.read(
        verilog("module top(input [1:0] a, input wire b, c, output f);\nassign f = a[1] & b & c;\nendmodule")
    )
    assert (circuit.inputs, circuit.outputs) == (("a[0]", "a[1]", "b", "c"), ("f",))


def test_single_bits_of_a_wide_bus(verilog):
    bits = " & ".join(f"a[{i}]" for i in range(0, 20_000, 20))
    circuit = Circuit.read(
        verilog(f"module m(input [19999:0] a, output f, g); assign f = {bits}, g = ~a[9];endmodule")
    )
    assert (len(circuit.inputs), circuit.gates, circuit.levels.max()) == (20_000, 999, 10)
    assert circuit.drivers[1] == 2 * 10 + 1


def test_a_module_without_ports(verilog):
    assert Circuit.read(verilog("module nothing;\nendmodule\n")).nodes == 1


@settings(max_examples=60, deadline=None)
@given(circuits())
def test_gates_come_back_as_they_were(tmp_path_factory, circuit):
    back = Circuit.read(circuit.write(tmp_path_factory.getbasetemp() / "trip.v"))
    assert same(circuit, back)
    assert (back.fanins == circuit.fanins).all()
    assert (back.xor == circuit.xor).all()
    assert (back.drivers == circuit.drivers).all()


def test_names_that_can_and_cannot_be_written(verilog):
    circuit = random_circuit(0, 4, 9, 3)
    names = ("assign", "a[0]", "n7", "x.y;//"), ("endmodule", "1'b0", "\\odd")
    circuit = Circuit(names[0], circuit.fanins, circuit.xor, names[1], circuit.drivers)
    assert same(circuit, Circuit.read(circuit.write(verilog(""))))
    for bad in ("a b", "état", "", "a\n"):
        with pytest.raises(InputError, match=r"Verilog cannot write the name .* rename it"):
            Circuit((bad, *"bcd"), circuit.fanins, circuit.xor, names[1], circuit.drivers).write(verilog(""))
    with pytest.raises(InputError, match="Verilog cannot write an output with an input's name, `f`"):
        Circuit(("f", *"bcd"), circuit.fanins, circuit.xor, ("f", "g", "h"), circuit.drivers).write(
            verilog("")
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold `module … endmodule`: it is cut off, or it is no Verilog"),
        ("hello;", "line 1: `module` must stand where 'hello' stands; is this Verilog"),
        (HEAD + "assign f = a;\n", "must hold `module … endmodule`: it is cut off"),
        (HEAD + "assign f = a;\nendmodule\nmodule n;\nendmodule", "line 6: one module can be read: write it"),
        (
            HEAD + "assign f = a;\nendmodule\nassign f = b;",
            "line 6: `module` must stand where 'assign' stands",
        ),
        (HEAD + "endmodule", "line 1: `f` is read but nothing defines it"),
        (HEAD + "assign f = d;\nendmodule", "line 4: `d` is read but nothing defines it"),
        (HEAD + "assign f = ~f;\nendmodule", "line 4: `f` depends on itself"),
        (HEAD + "wire x;\nassign f = a & x;\nassign x = b | f;\nendmodule", "depends on itself"),
        (HEAD + "assign f = a;\nassign f = b;\nendmodule", "line 5: `f` is already defined in line 4"),
        (HEAD + "assign a = b;\nendmodule", "`a` is already defined in line 4"),
        (
            HEAD + "assign f = a + b;\nendmodule",
            r"line 4: no operator but ~ & \^ \| \?: can stand where '\+' st",
        ),
        (
            HEAD + "assign f = &a;\nendmodule",
            "line 4: a name, a constant such as `1'b0`, .* where '&' stands",
        ),
        (HEAD + "assign f = ;\nendmodule", "line 4: a name, a constant .* at the end of the statement"),
        (HEAD + "assign f = a &\nendmodule", "must hold|line 4"),
        (HEAD + "assign f = (a & b;\nendmodule", r"line 4: `\)` must stand at the end of the statement"),
        (HEAD + "assign f a;\nendmodule", "line 4: `=` must stand where 'a' stands"),
        (HEAD + "assign f = a ? b;\nendmodule", "line 4: `:` must stand at the end"),
        (HEAD + "assign f = 1;\nendmodule", "line 4: a name, a constant such as `1'b0`"),
        (
            HEAD + "assign f = 1'bx;\nendmodule",
            "line 4: a constant must be written as `1'b0` or `8'hff` is, not",
        ),
        (HEAD + "assign f = 65536'b0;\nendmodule", "line 4: a constant must be written"),
        (HEAD + "assign f = '1'b0;\nendmodule", "line 4: a name, a constant such as"),
        (HEAD + "assign f = 'b1;\nendmodule", "line 4: a constant must be written"),
        (HEAD + "assign f = 99999999'b1;\nendmodule", "line 4: a constant must be written"),
        (HEAD + "assign f = 8'd" + "9" * 5000 + ";\nendmodule", "line 4: a constant must be written"),
        (
            HEAD + "assign f = 2'b10;\nendmodule",
            "line 4: a value of 2 bits is assigned to 1: make them equally",
        ),
        (
            HEAD + "assign f = {a, b} & c;\nendmodule",
            "line 4: values of 2 and 1 bits must have the same width",
        ),
        (HEAD + "assign f = {a, b} ? b : c;\nendmodule", "line 4: values of 2 and 1 bits"),
        (
            HEAD + "assign f = a[0];\nendmodule",
            r"line 4: `a` has no bits \[0:0\]: correct them, or its range",
        ),
        (HEAD + "wire [3:0] w;\nassign f = w[4];\nendmodule", r"line 5: `w` has no bits \[4:4\]"),
        (HEAD + "wire [3:0] w;\nassign f = w[0:1];\nendmodule", r"line 5: `w` has no bits \[0:1\]"),
        (HEAD + "wire [3:x] w;\nendmodule", "line 4: a number below 10.9 must stand where 'x' stands"),
        (HEAD + "wire [999999999:0] w;\nendmodule", "line 4: `w` of 1000000000 bits is too wide for a file"),
        (
            HEAD + "wire [19999:0] w;\nassign w = " + "w & " * 200 + "w;\nendmodule",
            "line 5: `w` of 20000 bits is too wide for a file of this size",
        ),
        (HEAD + "wire [9999999999:0] w;\nendmodule", "line 4: a number below"),
        (HEAD + "wire [1:0] a;\nendmodule", "line 4: `a` must be declared with one range"),
        (HEAD + "input d;\nendmodule", "line 4: `d` must be a port of the module, declared once"),
        (HEAD + "output a;\nendmodule", "line 4: `a` must be a port of the module, declared once"),
        ("module m(a) b;\nendmodule", "line 1: `;` must stand where 'b' stands"),
        ("module m(a, a);\nendmodule", "line 1: port `a` must be listed once"),
        ("module m(a);\nendmodule", "line 1: port `a` must be declared as `input` or `output`"),
        ("module m(a b);\nendmodule", "line 1: `,` must stand where 'b' stands"),
        ("module m(.a(b));\nendmodule", "line 1: a name must stand where '.' stands"),
        ("module m(a", "line 1: `,` must stand at the end|a name must stand at the end"),
        (
            HEAD + "always @* f = a;\nendmodule",
            "line 4: 'always' cannot be read: only `input`, .*: Yosys writes",
        ),
        (HEAD + "reg x;\nendmodule", "line 4: 'reg' cannot be read"),
        (HEAD + "half h(.a(a), .f(f));\nendmodule", "line 4: 'half' cannot be read"),
        (HEAD + r"\$_AND_ _1_ (.A(a), .B(b), .Y(f));" + "\nendmodule", "line 4: .* cannot be read"),
        (HEAD + "and #3 (f, a);\nendmodule", "line 4: a name must stand where '#' stands"),
        (HEAD + "and (f);\nendmodule", "line 4: a gate of kind `and` cannot have 0 fan-ins"),
        (HEAD + "not (f, a, b);\nendmodule", "line 4: a gate of kind `not` cannot have 2 fan-ins"),
        (HEAD + "and (f, {a, b});\nendmodule", "line 4: a gate's fan-in must be one bit wide, not 2"),
        (HEAD + "assign f = " + "(" * 5000 + "a;\nendmodule", "line 4: at most 100 parentheses may stand in"),
        (HEAD + "assign f = " + "{" * 5000 + "a;\nendmodule", "line 4: at most 100 "),
        (HEAD + "assign " + "{" * 5000 + "f = a;\nendmodule", "line 4: at most 100 braces"),
        (HEAD + "/* never closed\nendmodule", "line 4: '/' cannot be read"),
        (b"module m(\xff);", "line 1: must be UTF-8 text"),
        (
            r"module m(input [1:0] a, input \a[0] , output f); assign f = a[1]; endmodule",
            "`a.0.` stands twice",
        ),
    ],
)
def test_bad_files(verilog, text, said):
    path = verilog(text)
    with pytest.raises(InputError, match=said) as error:
        Circuit.read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_damage_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.v"
    whole = random_circuit(data.draw(st.integers(0, 20)), 3, 6, 2).write(path).read_bytes()
    path.write_bytes(data.draw(damaged(whole)))
    with suppress(InputError):  # and nothing else
        Circuit.read(path)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*"a(){}[]&|^~?:,=;1f", "1'b1", "~^"]), max_size=12))
def test_any_words_are_read_or_refused(tmp_path_factory, words):
    path = tmp_path_factory.getbasetemp() / "words.v"
    path.write_text(f"{HEAD} assign f = {' '.join(words)};\nendmodule\n")
    with suppress(InputError):  # and nothing else
        Circuit.read(path)


def test_what_abc_writes_and_what_it_reads(verilog):
    circuit = random_circuit(1, 6, 40, 4)
    ours, aiger, back = circuit.write(verilog("")), circuit.write(verilog("", "x.aig")), verilog("", "back.v")
    assert "Networks are equivalent" in abc(f"cec {ours} {aiger}")
    for script in ("", "strash;", "strash; renode; sop;", "strash; renode; aig;", "strash; dch; if -K 4;"):
        abc(f"read {ours}; {script} write_verilog {back}")
        assert same(circuit, Circuit.read(back)), script


TOP = """
module top(input [3:0] a, input [3:0] b, input s, output [4:0] y, output p);
  assign y = s ? a + b : a - b;
  assign p = ^a;
endmodule
"""


def test_what_yosys_writes(verilog):
    """Arithmetic that Yosys has turned into gates, in each of the ways that it writes them."""
    source, names = verilog(TOP), [f"back{i}.v" for i in range(3)]
    backs = [verilog("", name) for name in names]
    blif = verilog("", "back.blif")
    yosys(
        f"read_verilog {source}; proc; techmap; simplemap; clean; write_verilog {backs[0]}; "
        f"abc -g AND,XOR; clean; write_verilog -noattr {backs[1]}; write_blif {blif}; "
        f"aigmap; clean; write_verilog {backs[2]}"
    )
    x = all_examples(9)
    bits = 1 << np.arange(4)
    left, right = x[:, :4] @ bits, x[:, 4:8] @ bits
    want = np.where(x[:, 8], left + right, left - right) % 32
    for back in (*backs, blif):
        circuit = Circuit.read(back)
        assert circuit.inputs == (*(f"{word}[{i}]" for word in "ab" for i in range(4)), "s")
        answers = evaluate(circuit, x)
        assert (answers[:, :5] @ (1 << np.arange(5)) == want).all()
        assert (answers[:, 5] == x[:, :4].sum(1) % 2).all()


def test_yosys_proves_what_we_write(verilog):
    circuit = random_circuit(2, 5, 30, 3)
    circuit = Circuit(
        ("n3", "and", "a[0]", "b", "x.y"), circuit.fanins, circuit.xor, circuit.outputs, circuit.drivers
    )
    ours, aiger, back = circuit.write(verilog("")), circuit.write(verilog("", "x.aig")), verilog("", "back.v")
    yosys(
        f"read_verilog {ours}; rename rote gold; read_aiger -module_name gate {aiger}; "
        f"miter -equiv -flatten gold gate m; sat -verify -prove trigger 0 m; delete m gate; "
        f"write_verilog {back}"
    )
    assert same_by_name(circuit, Circuit.read(back))


def test_a_simulator_agrees(verilog):
    circuit = random_circuit(4, 5, 40, 3)
    bench = verilog(
        "module test;\n  reg [5:0] x; wire [2:0] y;\n"
        "  rote r(.x0(x[0]), .x1(x[1]), .x2(x[2]), .x3(x[3]), .x4(x[4]), .y0(y[0]), .y1(y[1]), .y2(y[2]));\n"
        '  initial for (x = 0; x < 32; x = x + 1) begin #1; $display("%b", y); end\nendmodule\n',
        "test.v",
    )
    lines = iverilog(bench.with_suffix(".out"), bench, circuit.write(verilog(""))).split()
    got = [[bit == "1" for bit in reversed(line)] for line in lines]
    assert evaluate(circuit, all_examples(5)).tolist() == got


def test_node_values_are_kept(verilog):
    circuit = random_circuit(8, 4, 30, 2)
    x = all_examples(4)
    assert (node_values(Circuit.read(circuit.write(verilog(""))), x) == node_values(circuit, x)).all()

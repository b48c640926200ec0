use std::cell::RefCell;
use std::fmt::Write;
use std::ops::{Add, Div, Mul, Neg, Sub};
use surrogate::{Fires, Number, Surrogate};

/// A value of a function in CUDA C++ that is being written: the index of its line.
///
/// Terms that a derivative multiplies by 0 are left out, and so are factors of 1; equal lines are
/// written once. The result is therefore that of the same equation over floats, but for the sign
/// of a zero and for what is not finite.
#[derive(Clone, Copy, Debug)]
pub struct Traced(usize);

/// A comparison in the function.
#[derive(Clone, Copy, Debug)]
pub struct TracedMask(usize);

/// What a function gives.
#[derive(Clone, Copy, Debug)]
pub enum Line {
    /// A number, a `real`.
    Number(Traced),
    /// A comparison, a `bool`.
    Mask(TracedMask),
}

/// A line: what it computes of the lines before.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Input(String),
    /// As bits: a constant is equal to itself.
    Constant(u64),
    Call(&'static str, usize),
    Between(&'static str, usize, usize),
    Compare(&'static str, usize, usize),
    Select(usize, usize, usize),
}

thread_local! {
    static TAPE: RefCell<Vec<Node>> = const { RefCell::new(Vec::new()) };
}

/// The line of `node`, a new one if there is none like it.
fn line(node: Node) -> usize {
    TAPE.with_borrow_mut(|tape| {
        let known = tape.iter().position(|other| *other == node);
        known.unwrap_or_else(|| {
            tape.push(node);
            tape.len() - 1
        })
    })
}

fn is(line: usize, constant: f64) -> bool {
    TAPE.with_borrow(|tape| match tape.get(line) {
        Some(Node::Constant(bits)) => f64::from_bits(*bits) == constant,
        _ => false,
    })
}

impl Traced {
    fn between(self, operator: &'static str, other: Traced) -> Traced {
        Traced(line(Node::Between(operator, self.0, other.0)))
    }

    fn call(self, function: &'static str) -> Traced {
        Traced(line(Node::Call(function, self.0)))
    }
}

/// The statements in CUDA C++ of a function of the `inputs`, which are expressions of type `real`:
/// each value that is needed in a constant of its own, then each of what `equations` gives, as
/// `target = value;`, or `return value;` where the target is `return`.
pub fn traced(
    inputs: &[String],
    equations: impl FnOnce(&[Traced]) -> Vec<(String, Line)>,
) -> String {
    let outside = TAPE.take();
    let inputs: Vec<Traced> =
        inputs.iter().map(|input| Traced(line(Node::Input(input.clone())))).collect();
    let outputs = equations(&inputs);
    statements(&TAPE.replace(outside), &outputs)
}

/// What [`traced`] writes down, computed in f64: the value of each output, 1 for a comparison that
/// holds. For tests of the text, which no machine without a compiler can run.
pub fn traced_values(inputs: &[f64], equations: impl FnOnce(&[Traced]) -> Vec<Traced>) -> Vec<f64> {
    let (tape, outputs) = recorded(inputs.len(), equations);
    let mut values = inputs.to_vec();
    for node in &tape[inputs.len().min(tape.len())..] {
        values.push(evaluated(node, &values));
    }
    outputs.iter().map(|output| values[*output]).collect()
}

/// All lines of `equations` of so many inputs, which are the first of them, and which of them they
/// give.
pub(super) fn recorded(
    inputs: usize,
    equations: impl FnOnce(&[Traced]) -> Vec<Traced>,
) -> (Vec<Node>, Vec<usize>) {
    let outside = TAPE.take();
    let names: Vec<Traced> =
        (0..inputs).map(|i| Traced(line(Node::Input(i.to_string())))).collect();
    let outputs = equations(&names);
    (TAPE.replace(outside), outputs.iter().map(|output| output.0).collect())
}

/// Which of the lines are `outputs`, or what one of them is made of.
pub(super) fn needed(tape: &[Node], outputs: &[usize]) -> Vec<bool> {
    let mut needed = vec![false; tape.len()];
    outputs.iter().for_each(|&i| needed[i] = true);
    for i in (0..tape.len()).rev().filter(|i| needed[*i]).collect::<Vec<_>>() {
        mark(tape, i, &mut needed);
    }
    needed
}

fn evaluated(node: &Node, values: &[f64]) -> f64 {
    match *node {
        Node::Input(_) => f64::NAN, // all inputs stand in front of the other lines
        Node::Constant(bits) => f64::from_bits(bits),
        Node::Call(function, a) => match function {
            "exp" => values[a].exp(),
            "log" => values[a].ln(),
            "sqrt" => values[a].sqrt(),
            "fabs" => values[a].abs(),
            _ => -values[a],
        },
        Node::Between(operator, a, b) => match operator {
            "+" => values[a] + values[b],
            "-" => values[a] - values[b],
            "*" => values[a] * values[b],
            _ => values[a] / values[b],
        },
        Node::Compare(">", a, b) => f64::from(values[a] > values[b]),
        Node::Compare(_, a, b) => f64::from(values[a] >= values[b]),
        Node::Select(mask, yes, no) => values[if values[mask] != 0.0 { yes } else { no }],
    }
}

fn statements(tape: &[Node], outputs: &[(String, Line)]) -> String {
    let index = |line: &Line| match *line {
        Line::Number(Traced(i)) | Line::Mask(TracedMask(i)) => i,
    };
    let lines: Vec<usize> = outputs.iter().map(|(_, line)| index(line)).collect();
    let needed = needed(tape, &lines);
    let mut text = String::new();
    for (i, node) in tape.iter().enumerate().filter(|(i, _)| needed[*i]) {
        if !matches!(node, Node::Input(_) | Node::Constant(_)) {
            let kind = if matches!(node, Node::Compare(..)) { "bool" } else { "real" };
            // writing to a string cannot fail
            let _ = writeln!(text, "  const {kind} x{i} = {};", expression(tape, node));
        }
    }
    for (target, line) in outputs {
        let value = name(tape, index(line));
        let _ = match target.as_str() {
            "return" => writeln!(text, "  return {value};"),
            target => writeln!(text, "  {target} = {value};"),
        };
    }
    text
}

/// Marks all that line `i` is made of.
fn mark(tape: &[Node], i: usize, needed: &mut [bool]) {
    let from: &[usize] = match &tape[i] {
        Node::Input(_) | Node::Constant(_) => &[],
        Node::Call(_, a) => &[*a],
        Node::Between(_, a, b) | Node::Compare(_, a, b) => &[*a, *b],
        Node::Select(mask, a, b) => &[*mask, *a, *b],
    };
    for &i in from {
        if !needed[i] {
            needed[i] = true;
            mark(tape, i, needed);
        }
    }
}

fn name(tape: &[Node], i: usize) -> String {
    match &tape[i] {
        Node::Input(expression) => expression.clone(),
        Node::Constant(bits) => match f64::from_bits(*bits) {
            x if x.is_nan() => "(real(0) / real(0))".to_owned(),
            x if x.is_infinite() => format!("(real({}) / real(0))", x.signum()),
            x => format!("real({x:?})"),
        },
        _ => format!("x{i}"),
    }
}

fn expression(tape: &[Node], node: &Node) -> String {
    let name = |i: &usize| name(tape, *i);
    match node {
        Node::Call("-", a) => format!("-{}", name(a)),
        Node::Call(function, a) => format!("{function}({})", name(a)),
        Node::Between(operator, a, b) | Node::Compare(operator, a, b) => {
            format!("{} {operator} {}", name(a), name(b))
        }
        Node::Select(mask, yes, no) => format!("{} ? {} : {}", name(mask), name(yes), name(no)),
        Node::Input(_) | Node::Constant(_) => String::new(),
    }
}

impl Add for Traced {
    type Output = Traced;

    fn add(self, other: Traced) -> Traced {
        match (is(self.0, 0.0), is(other.0, 0.0)) {
            (true, _) => other,
            (_, true) => self,
            _ => self.between("+", other),
        }
    }
}

impl Sub for Traced {
    type Output = Traced;

    fn sub(self, other: Traced) -> Traced {
        match (is(self.0, 0.0), is(other.0, 0.0)) {
            (_, true) => self,
            (true, _) => -other,
            _ => self.between("-", other),
        }
    }
}

impl Mul for Traced {
    type Output = Traced;

    fn mul(self, other: Traced) -> Traced {
        match (self, other) {
            (a, b) if is(a.0, 0.0) || is(b.0, 0.0) => Traced::of(0.0),
            (a, b) if is(a.0, 1.0) => b,
            (a, b) if is(b.0, 1.0) => a,
            (a, b) => a.between("*", b),
        }
    }
}

impl Div for Traced {
    type Output = Traced;

    fn div(self, other: Traced) -> Traced {
        match (self, other) {
            (a, _) if is(a.0, 0.0) => a,
            (a, b) if is(b.0, 1.0) => a,
            (a, b) => a.between("/", b),
        }
    }
}

impl Neg for Traced {
    type Output = Traced;

    fn neg(self) -> Traced {
        let node = TAPE.with_borrow(|tape| tape.get(self.0).cloned());
        match node {
            Some(Node::Constant(bits)) => Traced::of(-f64::from_bits(bits)),
            Some(Node::Call("-", a)) => Traced(a),
            _ => self.call("-"),
        }
    }
}

impl Number for Traced {
    type Mask = TracedMask;

    fn of(x: f64) -> Traced {
        Traced(line(Node::Constant(x.to_bits())))
    }

    fn exp(self) -> Traced {
        self.call("exp")
    }

    fn ln(self) -> Traced {
        self.call("log")
    }

    fn sqrt(self) -> Traced {
        self.call("sqrt")
    }

    fn abs(self) -> Traced {
        self.call("fabs")
    }

    fn above(self, other: Traced) -> TracedMask {
        TracedMask(line(Node::Compare(">", self.0, other.0)))
    }

    fn at_least(self, other: Traced) -> TracedMask {
        TracedMask(line(Node::Compare(">=", self.0, other.0)))
    }

    fn select(mask: TracedMask, yes: Traced, no: Traced) -> Traced {
        if yes.0 == no.0 { yes } else { Traced(line(Node::Select(mask.0, yes.0, no.0))) }
    }

    fn detach(self) -> Traced {
        self
    }

    fn with_gradient_of(self, _: Traced) -> Traced {
        self
    }

    fn spike<S: Surrogate>(u: Traced, threshold: Traced, fires: Fires, _: &S) -> Traced {
        Traced::select(fires.at(u, threshold), Traced::of(1.0), Traced::of(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_two(equations: impl FnOnce(Traced, Traced) -> Traced) -> String {
        traced(&["a".into(), "b".into()], |i| {
            vec![("return".into(), Line::Number(equations(i[0], i[1])))]
        })
    }

    #[test]
    fn only_what_is_needed_is_written_and_nothing_twice() {
        let text = of_two(|a, b| {
            let _ = a.exp();
            (a + b) * (a + b)
        });
        assert_eq!(text, "  const real x3 = a + b;\n  const real x4 = x3 * x3;\n  return x4;\n");
    }

    #[test]
    fn what_is_multiplied_by_nothing_is_left_out() {
        let zero = || Traced::of(0.0);
        assert_eq!(of_two(|a, b| a * zero() + b / Traced::of(1.0) - zero()), "  return b;\n");
        assert_eq!(of_two(|a, b| Traced::of(1.0) * a + zero() / b), "  return a;\n");
    }

    #[test]
    fn constants_that_no_literal_has_are_quotients() {
        let text = of_two(|a, _| a * Traced::of(f64::NEG_INFINITY) + Traced::of(-0.5));
        assert!(text.contains("a * (real(-1) / real(0))"), "{text}");
        assert!(text.contains("+ real(-0.5)"), "{text}");
    }
}

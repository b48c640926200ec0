//! What an equation costs, counted on its own lines.

use super::Traced;
use super::traced::{Node, needed, recorded};

/// What is known of a line before any neuron runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Made of constants and parameters alone: computed once, not at each step.
    Fixed,
    /// 0, whatever the neuron does.
    Nothing,
    /// 0 or 1: a factor of this kind chooses, and multiplies nothing.
    Gate,
    /// What a gate let through, else 0.
    Chosen,
    /// Anything.
    Free,
}

/// Multiplications and additions of `equations` at each step, whose first `free` inputs change from
/// step to step and the others never. A division or a function counts as a multiplication, a
/// comparison as an addition; a factor of 0 or 1 as none, and so does the sum of what such factors
/// chose.
pub fn operations(
    inputs: usize,
    free: usize,
    equations: impl FnOnce(&[Traced]) -> Vec<Traced>,
) -> [u64; 2] {
    let (tape, outputs) = recorded(inputs, equations);
    let needed = needed(&tape, &outputs);
    let mut known: Vec<Known> = Vec::new();
    let mut sums = [0, 0];
    for (i, node) in tape.iter().enumerate() {
        let (kind, costs) = judged(node, i < free, &tape, &known);
        known.push(kind);
        if needed[i] {
            sums.iter_mut().zip(costs).for_each(|(sum, cost)| *sum += cost);
        }
    }
    sums
}

/// What is known of a line, and its multiplications and additions.
fn judged(node: &Node, free: bool, tape: &[Node], known: &[Known]) -> (Known, [u64; 2]) {
    use Known::{Chosen, Fixed, Free, Gate, Nothing};
    const NONE: [u64; 2] = [0, 0];
    const MULTIPLY: [u64; 2] = [1, 0];
    const ADD: [u64; 2] = [0, 1];
    let one = |i: usize| matches!(&tape[i], Node::Constant(bits) if f64::from_bits(*bits) == 1.0);
    match *node {
        Node::Input(_) => (if free { Free } else { Fixed }, NONE),
        Node::Constant(_) => (Fixed, NONE),
        Node::Call("-", a) => (if known[a] == Gate { Chosen } else { known[a] }, NONE),
        Node::Call(_, a) => match known[a] {
            Fixed | Nothing => (Fixed, NONE),
            _ => (Free, MULTIPLY),
        },
        Node::Between("-", a, b) if a == b => (Nothing, NONE),
        Node::Between("-", a, b) if one(a) && known[b] == Gate => (Gate, NONE),
        Node::Between("*" | "/", a, b) => match (known[a], known[b]) {
            (Nothing, _) | (_, Nothing) => (Nothing, NONE),
            (Fixed, Fixed) => (Fixed, NONE),
            (Gate, Gate) => (Gate, NONE),
            (Gate, _) | (_, Gate) => (Chosen, NONE),
            _ => (Free, MULTIPLY),
        },
        Node::Between(_, a, b) => match (known[a], known[b]) {
            (Nothing, other) | (other, Nothing) => (other, NONE),
            (Fixed, Fixed) => (Fixed, NONE),
            (Chosen, Chosen) => (Free, NONE),
            _ => (Free, ADD),
        },
        Node::Compare(_, a, b) => match (known[a], known[b]) {
            (Fixed, Fixed) => (Fixed, NONE),
            _ => (Gate, ADD),
        },
        Node::Select(mask, yes, no) => match (known[mask], known[yes], known[no]) {
            (Fixed, Fixed, Fixed) => (Fixed, NONE),
            (_, Fixed, Fixed) if is_spike(&tape[yes], &tape[no]) => (Gate, NONE),
            _ => (Free, NONE),
        },
    }
}

/// Whether a choice between these is 1 or 0.
fn is_spike(yes: &Node, no: &Node) -> bool {
    let constant = |x: f64| Node::Constant(x.to_bits());
    let (one, zero) = (constant(1.0), constant(0.0));
    (yes, no) == (&one, &zero) || (yes, no) == (&zero, &one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use surrogate::Number;

    #[test]
    fn what_never_changes_costs_nothing() {
        // an input that changes, and a parameter
        let count = |equations: fn(Traced, Traced) -> Traced| {
            operations(2, 1, |i| vec![equations(i[0], i[1])])
        };
        assert_eq!(count(|x, p| x * p.sigmoid() + p * p), [1, 1]);
        assert_eq!(count(|x, p| x.exp() - p.exp()), [1, 1]);
        assert_eq!(
            count(|x, p| {
                let o = Traced::select(x.above(p), Traced::of(1.0), Traced::of(0.0));
                x * (Traced::of(1.0) - o) + (x - p) * o + (o - o) * x
            }),
            [0, 2]
        );
    }
}

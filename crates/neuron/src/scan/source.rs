//! Neurons in CUDA C++, traced from the equations that run on the CPU.

use crate::number::{Line, Traced, traced};
use crate::{Cell, Number};
use std::array::from_fn;

/// A neuron in CUDA C++, in `real`, which is float or double:
///
/// - `struct Kept`, what a step leaves for its way back, and `struct Carried`, the states, or their
///   gradients on the way back: each an array `at`;
/// - `void charge(real x, Carried& v, Kept& k)`, one step of the current `x`;
/// - `bool fires(const Kept& k)`, whether it fired;
/// - `real backward(const Kept& k, real g, Carried& m)`, which gives ∂L/∂x from `g` = ∂L/∂o and
///   makes of `m`, the gradients of the states carried on, those of the states before the step.
///
/// With learnable parameters `charge` and `backward` take their values `const real* p` as well, and
/// `backward` adds their gradients to `real* q`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The text.
    pub text: String,
    /// Numbers in `Kept`.
    pub kept: usize,
    /// Numbers in `Carried`.
    pub states: usize,
    /// Learnable parameters.
    pub parameters: usize,
}

/// Lines of a function: an input is what it is called inside, and the expression it stands for.
pub type Inputs = Vec<(String, String)>;
pub type Outputs = Vec<(String, Line)>;

pub fn function(
    head: &str,
    inputs: &Inputs,
    equations: impl FnOnce(&[Traced]) -> Outputs,
) -> String {
    let names: Vec<String> = inputs.iter().map(|(name, _)| name.clone()).collect();
    let body = traced(&names, equations);
    // inputs first, by their own names: an output may lie where an input lay
    let used = |name: &str| {
        body.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == name)
    };
    let own = inputs.iter().filter(|(name, expression)| name != expression && used(name));
    let inputs: String =
        own.map(|(name, expression)| format!("  const real {name} = {expression};\n")).collect();
    format!("__device__ __forceinline__ {head} {{\n{inputs}{body}}}\n")
}

pub fn input(name: &str) -> (String, String) {
    (name.to_owned(), name.to_owned())
}

/// `n` inputs `name0`, `name1` …, elements of an array.
fn array(name: &str, array: &str, n: usize) -> impl Iterator<Item = (String, String)> {
    (0..n).map(move |i| (format!("{name}{i}"), format!("{array}[{i}]")))
}

pub fn output(target: String, x: Traced) -> (String, Line) {
    (target, Line::Number(x))
}

impl Source {
    pub(super) fn new(functions: [String; 3], [kept, states, parameters]: [usize; 3]) -> Source {
        let structs = format!(
            "\nstruct Kept {{ real at[{kept}]; }};\nstruct Carried {{ real at[{states}]; }};\n"
        );
        Source { text: structs + &functions.concat(), kept, states, parameters }
    }

    /// A cell, which keeps its spike, its current and the states before the step.
    pub fn of_cell<C: Cell<S, P>, const S: usize, const P: usize>(cell: &C) -> Source {
        let given = if P > 0 { ", const real* p" } else { "" };
        let inputs: Inputs = [input("x")]
            .into_iter()
            .chain(array("v", "v.at", S))
            .chain(array("p", "p", P))
            .collect();
        let head = format!("void charge(real x, Carried& v, Kept& k{given})");
        let charge = function(&head, &inputs, |i| {
            let (x, state): (Traced, [Traced; S]) = (i[0], from_fn(|s| i[1 + s]));
            let (spike, next) = cell.step(x, state, from_fn(|q| i[1 + S + q]));
            let kept = [spike, x].into_iter().chain(state).enumerate();
            let kept = kept.map(|(j, value)| output(format!("k.at[{j}]"), value));
            let next = next.into_iter().enumerate();
            kept.chain(next.map(|(s, value)| output(format!("v.at[{s}]"), value))).collect()
        });
        let spike = ("o".to_owned(), "k.at[0]".to_owned());
        let fires = function("bool fires(const Kept& k)", &vec![spike], |i| {
            vec![("return".into(), Line::Mask(i[0].above(Traced::of(0.0))))]
        });
        let inputs: Inputs = [("x".to_owned(), "k.at[1]".to_owned()), input("g")]
            .into_iter()
            .chain((0..S).map(|s| (format!("v{s}"), format!("k.at[{}]", 2 + s))))
            .chain(array("m", "m.at", S))
            .chain(array("p", "p", P))
            .chain(array("q", "q", P))
            .collect();
        let summed = if P > 0 { ", real* q" } else { "" };
        let head = format!("real backward(const Kept& k, real g, Carried& m{given}{summed})");
        let backward = function(&head, &inputs, |i| {
            let at = |from: usize| move |j: usize| i[from + j];
            let (state, m, p) = (at(2), at(2 + S), at(2 + 2 * S));
            let gradient = cell.backward(i[0], from_fn(state), from_fn(p), i[1], from_fn(m));
            let states = gradient.state.into_iter().enumerate();
            let states = states.map(|(s, value)| output(format!("m.at[{s}]"), value));
            let sums = gradient
                .parameters
                .into_iter()
                .enumerate()
                .map(|(j, value)| output(format!("q[{j}]"), i[2 + 2 * S + P + j] + value));
            let d = output("return".into(), gradient.x);
            states.chain(sums).chain([d]).collect()
        });
        Source::new([charge, fires, backward], [2 + S, S, P])
    }
}

//! The CUDA C++ of neurons, compiled by a C++ compiler and run beside the Rust it was traced from.
//!
//! Where there is no g++ the test says so and passes, as a machine without CUDA needs none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use neuron::{
    Adaptive, Cell, Fires, Firing, Number, Parameter, Plif, Refractory, Reset, ResetGradient,
    Sbpsnn, Source, Synaptic,
};
use std::array::from_fn;
use std::fmt::Write;
use std::process::Command;
use surrogate::{Gaussian, InverseMembrane};

/// What stands for CUDA's words in C++, and a program that reads doubles and prints results.
const HEAD: &str = "
#include <cmath>
#include <cstdio>
#include <cstring>
using std::exp; using std::fabs; using std::log; using std::sqrt;
#define __device__
#define __forceinline__ inline
typedef double real;
";

/// One cell in a namespace of its own, and the lines that run it on each of the `draws`.
fn namespace(name: &str, source: &Source, draws: &[Vec<f64>]) -> (String, String) {
    let (s, p) = (source.states, source.parameters);
    let (given, summed) = if p > 0 { (", p", ", q") } else { ("", "") };
    let mut body = String::new();
    for draw in draws {
        let list =
            |values: &[f64]| values.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(", ");
        let (x, rest) = draw.split_first().unwrap();
        let (v, rest) = rest.split_at(s);
        let (pars, rest) = rest.split_at(p);
        let (g, m) = rest.split_first().unwrap();
        let padded = format!("{}0", list(pars) + if p > 0 { ", " } else { "" });
        writeln!(
            body,
            "{{ using namespace {name}; Kept k; Carried v = {{{{ {} }}}}, m = {{{{ {} }}}};
              const double p[] = {{ {padded} }}; double q[{}] = {{ 0 }}; (void)p; (void)q;
              charge({x:?}, v, k{given});
              std::printf(\"%d\", (int)fires(k)); for (double y : v.at) std::printf(\" %.17g\", y);
              std::printf(\" %.17g\", backward(k, {g:?}, m{given}{summed}));
              for (double y : m.at) std::printf(\" %.17g\", y);
              for (int i = 0; i < {p}; ++i) std::printf(\" %.17g\", q[i]);
              std::printf(\"\\n\"); }}",
            list(v),
            list(m),
            p + 1,
        )
        .unwrap();
    }
    (format!("namespace {name} {{ {} }}\n", source.text), body)
}

/// What the same steps give in Rust, as the program prints it.
fn expected<C: Cell<S, P>, const S: usize, const P: usize>(cell: &C, draw: &[f64]) -> Vec<f64> {
    let (state, p) = (from_fn(|s| draw[1 + s]), from_fn(|q| draw[1 + S + q]));
    let (g, m) = (draw[1 + S + P], from_fn(|s| draw[2 + S + P + s]));
    let (spike, next) = cell.step(draw[0], state, p);
    let gradient = cell.backward(draw[0], state, p, g, m);
    let mut all = vec![spike];
    all.extend(next);
    all.push(gradient.x);
    all.extend(gradient.state);
    all.extend(gradient.parameters);
    all
}

fn draws(len: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64 * 3.0 - 1.0
    };
    (0..64).map(|_| (0..len).map(|_| next()).collect()).collect()
}

#[derive(Default)]
struct Cases {
    texts: String,
    bodies: String,
    expected: Vec<Vec<f64>>,
    names: Vec<String>,
}

impl Cases {
    fn add<C: Cell<S, P>, const S: usize, const P: usize>(&mut self, cell: &C) {
        let draws = draws(2 + 2 * S + P, 1 + self.names.len() as u64);
        let (text, body) =
            namespace(&format!("n{}", self.names.len()), &Source::of_cell(cell), &draws);
        self.texts += &text;
        self.bodies += &body;
        self.expected.extend(draws.iter().map(|draw| expected(cell, draw)));
        self.names.push(format!("{cell:?}"));
    }
}

/// Two states that change places, which a careless order of assignments would lose.
#[derive(Clone, Copy, Debug)]
struct Swapping;

impl Cell<2, 1> for Swapping {
    fn parameters(&self) -> [Parameter; 1] {
        [Parameter { name: "a", initial: 0.5 }]
    }

    fn step<N: Number>(&self, x: N, [v, w]: [N; 2], [a]: [N; 1]) -> (N, [N; 2]) {
        (N::spike(x + v, a, Fires::AtThreshold, &Gaussian::default()), [w, v])
    }
}

#[test]
fn every_cell_compiles_and_computes_what_rust_does() {
    if Command::new("g++").arg("--version").output().is_err() {
        eprintln!("skipped: there is no g++");
        return;
    }
    let mut cases = Cases::default();
    for reset in [Reset::ToZero, Reset::Subtract] {
        for reset_gradient in [
            ResetGradient::Differentiated,
            ResetGradient::Detached,
            ResetGradient::Cut,
            ResetGradient::Residual { alpha: 0.2 },
        ] {
            let (threshold, fires, surrogate) = (0.5, Fires::AtThreshold, InverseMembrane {});
            let firing = Firing { threshold, fires, reset, reset_gradient, surrogate };
            cases.add(&Plif { firing, tau: 2.0 });
            cases.add(&Synaptic { firing, decay: 0.9, current_decay: 0.5 });
            let (strength, adaptation_decay) = (0.25, 0.75);
            cases.add(&Adaptive { firing, decay: 0.9, strength, adaptation_decay });
            cases.add(&Sbpsnn { firing, decay: 0.9 });
        }
    }
    let (fires, surrogate) = (Fires::AboveThreshold, Gaussian::default());
    let (threshold, trace_decay, decay) = (0.5, 0.75, 0.5);
    cases.add(&Refractory { threshold, fires, trace_decay, decay, surrogate });
    cases.add(&Swapping);

    let folder = std::env::temp_dir().join(format!("cuda-source-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (text, program) = (folder.join("cells.cpp"), folder.join("cells"));
    let Cases { texts, bodies, expected, names } = cases;
    std::fs::write(&text, format!("{HEAD}{texts}int main() {{\n{bodies}}}\n")).unwrap();
    let mut compile = Command::new("g++");
    compile.args(["-std=c++17", "-O0", "-ffp-contract=off", "-o"]).arg(&program).arg(&text);
    let compiled = compile.output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let output = String::from_utf8(Command::new(&program).output().unwrap().stdout).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(output.lines().count(), expected.len());
    for (i, (line, expected)) in output.lines().zip(&expected).enumerate() {
        let found: Vec<f64> = line.split(' ').map(|n| n.parse().unwrap()).collect();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            // exponentials differ between libraries in the last bit
            let off = (found - expected).abs();
            let limit = 1e-14 * expected.abs().max(1.0);
            assert!(off <= limit, "{}: {found} instead of {expected}", names[i / 64]);
        }
    }
}

use candle_core::{Error, Result, Tensor, bail};
use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};
use surrogate::{Fires, Number, Surrogate};

/// A tensor of an equation that is being computed in tensor operations: its index among them. Its
/// derivatives are those that candle's autograd finds.
#[derive(Clone, Copy, Debug)]
pub struct Lifted(usize);

/// All tensors so far, comparisons among them, and the first error.
#[derive(Default)]
struct Tape {
    values: Vec<Tensor>,
    error: Option<Error>,
    /// What was held to a threshold first.
    membrane: Option<Lifted>,
}

thread_local! {
    static TAPE: RefCell<Tape> = RefCell::new(Tape::default());
}

/// What `equations` make of the `inputs`: of one type and device, and each of the first one's
/// shape or without an axis.
///
/// # Errors
/// If there is none, or an operation fails.
pub fn lifted(
    inputs: &[&Tensor],
    equations: impl FnOnce(&[Lifted]) -> Vec<Lifted>,
) -> Result<Vec<Tensor>> {
    let (tape, outputs) = run(inputs, equations)?;
    outputs.iter().map(|output| value(&tape.values, *output).cloned()).collect()
}

/// What the same `equations` hold to a threshold, of a spike the membrane: the first of them.
///
/// # Errors
/// As [`lifted`], and if they have no spike.
pub fn lifted_membrane(
    inputs: &[&Tensor],
    equations: impl FnOnce(&[Lifted]) -> Vec<Lifted>,
) -> Result<Tensor> {
    let (tape, _) = run(inputs, equations)?;
    match tape.membrane {
        Some(membrane) => value(&tape.values, membrane).cloned(),
        None => bail!("an equation without a spike has no membrane"),
    }
}

/// All tensors of `equations`, and which of them they give.
fn run(
    inputs: &[&Tensor],
    equations: impl FnOnce(&[Lifted]) -> Vec<Lifted>,
) -> Result<(Tape, Vec<Lifted>)> {
    if inputs.is_empty() {
        bail!("an equation takes at least one tensor");
    }
    let values = inputs.iter().map(|&input| input.clone()).collect();
    let outside = TAPE.replace(Tape { values, ..Tape::default() });
    let outputs = equations(&(0..inputs.len()).map(Lifted).collect::<Vec<_>>());
    let mut tape = TAPE.replace(outside);
    match tape.error.take() {
        Some(error) => Err(error),
        None => Ok((tape, outputs)),
    }
}

fn value(values: &[Tensor], at: Lifted) -> Result<&Tensor> {
    match values.get(at.0) {
        Some(value) => Ok(value),
        None => bail!("a lifted number belongs to another equation"),
    }
}

/// The tensor that `operation` makes of those so far. After an error nothing more is computed.
fn push(operation: impl FnOnce(&[Tensor]) -> Result<Tensor>) -> Lifted {
    TAPE.with_borrow_mut(|tape| {
        if tape.error.is_none() {
            match operation(&tape.values) {
                Ok(value) => tape.values.push(value),
                Err(error) => tape.error = Some(error),
            }
        }
        Lifted(tape.values.len().saturating_sub(1))
    })
}

type Unary = fn(&Tensor) -> Result<Tensor>;
type Binary = fn(&Tensor, &Tensor) -> Result<Tensor>;

impl Lifted {
    fn of_one(self, operation: Unary) -> Lifted {
        push(|values| operation(value(values, self)?))
    }

    fn of_two(self, other: Lifted, operation: Binary) -> Lifted {
        push(|values| operation(value(values, self)?, value(values, other)?))
    }
}

/// In `mask`'s places that are not 0 `yes`, else `no`; all three of one shape or without an axis.
fn select(mask: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor> {
    let wide = [mask, yes, no].into_iter().max_by_key(|t| t.rank()).map(Tensor::shape);
    let [mask, yes, no] = [mask, yes, no].map(|t| match wide {
        Some(shape) => t.broadcast_as(shape)?.contiguous(),
        None => Ok(t.clone()),
    });
    mask?.where_cond(&yes?, &no?)
}

impl Add for Lifted {
    type Output = Lifted;

    fn add(self, other: Lifted) -> Lifted {
        self.of_two(other, Tensor::broadcast_add)
    }
}

impl Sub for Lifted {
    type Output = Lifted;

    fn sub(self, other: Lifted) -> Lifted {
        self.of_two(other, Tensor::broadcast_sub)
    }
}

impl Mul for Lifted {
    type Output = Lifted;

    fn mul(self, other: Lifted) -> Lifted {
        self.of_two(other, Tensor::broadcast_mul)
    }
}

impl Div for Lifted {
    type Output = Lifted;

    fn div(self, other: Lifted) -> Lifted {
        self.of_two(other, Tensor::broadcast_div)
    }
}

impl Neg for Lifted {
    type Output = Lifted;

    fn neg(self) -> Lifted {
        self.of_one(Tensor::neg)
    }
}

impl Number for Lifted {
    type Mask = Lifted;

    fn of(x: f64) -> Lifted {
        push(|values| {
            let like = value(values, Lifted(0))?;
            Tensor::new(x, like.device())?.to_dtype(like.dtype())
        })
    }

    fn exp(self) -> Lifted {
        self.of_one(Tensor::exp)
    }

    fn ln(self) -> Lifted {
        self.of_one(Tensor::log)
    }

    fn sqrt(self) -> Lifted {
        self.of_one(Tensor::sqrt)
    }

    fn abs(self) -> Lifted {
        // by the sign, whose value at 0 is 0: candle's own derivative there is another
        let (zero, one) = (Lifted::of(0.0), Lifted::of(1.0));
        let below = Lifted::select(zero.above(self), -one, zero);
        self * Lifted::select(self.above(zero), one, below)
    }

    fn above(self, other: Lifted) -> Lifted {
        self.of_two(other, |a, b| a.detach().broadcast_gt(&b.detach()))
    }

    fn at_least(self, other: Lifted) -> Lifted {
        self.of_two(other, |a, b| a.detach().broadcast_ge(&b.detach()))
    }

    fn select(mask: Lifted, yes: Lifted, no: Lifted) -> Lifted {
        push(|values| select(value(values, mask)?, value(values, yes)?, value(values, no)?))
    }

    fn detach(self) -> Lifted {
        self.of_one(|tensor| Ok(tensor.detach()))
    }

    fn with_gradient_of(self, other: Lifted) -> Lifted {
        self.detach() + (other - other.detach())
    }

    /// The step's value, and beside it u − θ less its own value: that is 0, and has the slope as
    /// its derivative.
    fn spike<S: Surrogate>(u: Lifted, threshold: Lifted, fires: Fires, surrogate: &S) -> Lifted {
        TAPE.with_borrow_mut(|tape| tape.membrane.get_or_insert(u).0);
        let (zero, one) = (Lifted::of(0.0), Lifted::of(1.0));
        let value = Lifted::select(fires.at(u, threshold), one, zero);
        let slope = surrogate.slope(u.detach(), threshold.detach());
        let distance = u - threshold;
        value + slope * (distance - distance.detach())
    }
}

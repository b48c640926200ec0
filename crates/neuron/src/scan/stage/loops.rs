//! The innermost loops, each a function of its own: in one large function the compiler leaves the
//! neuron's constant choices (how it fires, how it resets) as branches inside the loop, and then
//! uses no vectors.

use crate::scan::Cell;
use pulp::NullaryFnOnce;

/// One step of charge, fire, reset and leak; u is kept.
pub struct Charge<'a, C> {
    pub cell: C,
    pub x: &'a [f32],
    pub v: &'a mut [f32],
    pub u: &'a mut [f32],
}

impl<C: Cell> NullaryFnOnce for Charge<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let cell = self.cell;
        for ((u, v), &x) in self.u.iter_mut().zip(self.v).zip(self.x) {
            let now = cell.charge(x, *v);
            *u = now;
            *v = cell.carry(now, cell.fires(now));
        }
    }
}

/// One step backward: M from G, added to a sum if there is one.
pub struct Back<'a, C> {
    pub cell: C,
    pub u: &'a [f32],
    pub g: &'a [f32],
    pub m: &'a mut [f32],
    pub sum: Option<&'a mut [f32]>,
}

impl<C: Cell> NullaryFnOnce for Back<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let cell = self.cell;
        for ((m, &u), &g) in self.m.iter_mut().zip(self.u).zip(self.g) {
            *m = cell.backward(u, cell.fires(u), g, *m);
        }
        if let Some(sum) = self.sum {
            sum.iter_mut().zip(self.m).for_each(|(sum, m)| *sum += *m);
        }
    }
}

/// Spikes of some neurons.
pub struct Spikes<'a, C> {
    pub cell: C,
    pub u: &'a [f32],
}

impl<C: Cell> NullaryFnOnce for Spikes<'_, C> {
    type Output = u32;

    #[inline(always)]
    fn call(self) -> u32 {
        let cell = self.cell;
        self.u.iter().map(|&u| u32::from(cell.fires(u))).sum()
    }
}

/// Adds the spikes of one member to the counts of its window, or whether there are `any`.
pub struct Count<'a, C> {
    pub cell: C,
    pub any: bool,
    pub u: &'a [f32],
    pub counts: &'a mut [u8],
}

impl<C: Cell> NullaryFnOnce for Count<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let cell = self.cell;
        let all = self.counts.iter_mut().zip(self.u);
        match self.any {
            true => all.for_each(|(count, &u)| *count |= u8::from(cell.fires(u))),
            false => all.for_each(|(count, &u)| *count += u8::from(cell.fires(u))),
        }
    }
}

/// Gives one member of a window what is free of the gradient where it fired.
pub struct First<'a, C> {
    pub cell: C,
    pub u: &'a [f32],
    pub free: &'a mut [f32],
    pub g: &'a mut [f32],
}

impl<C: Cell> NullaryFnOnce for First<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let cell = self.cell;
        for ((g, free), &u) in self.g.iter_mut().zip(self.free).zip(self.u) {
            let taken = if cell.fires(u) { *free } else { 0.0 };
            *g = taken;
            *free -= taken; // all of it or nothing, without a branch
        }
    }
}

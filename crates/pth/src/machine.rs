//! The pickle machine: opcodes of the protocols 2 to 5 to values. It knows no classes and calls
//! nothing. An opcode makes at most one value, and no value holds another but by its number, so
//! memory and depth are bounded by the length of the pickle, whatever it says.

use crate::Error;
use crate::pickle::{Id, Pickle, Value};
use std::collections::HashMap;

/// What is wrong with an opcode.
type Fault = String;

struct Machine<'b> {
    bytes: &'b [u8],
    at: usize,
    made: Pickle<'b>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'b> Pickle<'b> {
    /// Reads a pickle to its end.
    ///
    /// # Errors
    /// A byte that is no opcode of the protocols 2 to 5, or an opcode that finds less than it
    /// takes.
    pub fn read(bytes: &'b [u8]) -> Result<Self, Error> {
        let mut machine = Machine {
            bytes,
            at: 0,
            made: Pickle::default(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        loop {
            let at = machine.at;
            let ended = machine.step().map_err(|found| Error::Pickle { at, found })?;
            if ended {
                return Ok(machine.made);
            }
        }
    }
}

impl<'b> Machine<'b> {
    /// One opcode; whether it was the last.
    fn step(&mut self) -> Result<bool, Fault> {
        let op = self.take(1)?[0];
        if op == b'.' {
            self.made.root = self.pop()?;
            return Ok(true);
        }
        let known = self.literal(op)?
            || self.gather(op)?
            || self.entries(op)?
            || self.remembered(op)?
            || self.object(op)?;
        match known {
            true => Ok(false),
            false => Err(format!(
                "expected an opcode of the pickle protocols 2 to 5 as torch.save uses them, found 0x{op:02x}"
            )),
        }
    }

    fn take(&mut self, n: usize) -> Result<&'b [u8], Fault> {
        let bytes: &'b [u8] = self.bytes;
        let rest = bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..n).ok_or_else(|| {
            format!("expected {n} bytes more, found the end after {}", rest.len())
        })?;
        self.at += n;
        Ok(taken)
    }

    /// A little-endian number of `n` bytes, at most 8.
    fn number(&mut self, n: usize) -> Result<usize, Fault> {
        let bytes = self.take(n)?;
        let number = bytes.iter().rev().fold(0u64, |all, &byte| all << 8 | u64::from(byte));
        usize::try_from(number).map_err(|_| format!("the length {number}, which nothing has"))
    }

    /// Bytes behind their length, a number of `n` bytes.
    fn sized(&mut self, n: usize) -> Result<&'b [u8], Fault> {
        let length = self.number(n)?;
        self.take(length)
    }

    fn text(&mut self, n: usize) -> Result<(), Fault> {
        let bytes = self.sized(n)?;
        let text = std::str::from_utf8(bytes).map_err(|_| "a text that is no UTF-8".to_owned())?;
        self.push(Value::Text(text));
        Ok(())
    }

    /// A text that ends with its line.
    fn line(&mut self) -> Result<Id, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n');
        let bytes = self.take(length.ok_or("a name without an end")?)?;
        self.at += 1;
        let text = std::str::from_utf8(bytes).map_err(|_| "a name that is no UTF-8".to_owned())?;
        Ok(self.value(Value::Text(text)))
    }

    /// A whole number of `n` bytes with its sign; one beyond 64 bits is no size of anything.
    fn whole(&mut self, n: usize) -> Result<(), Fault> {
        let bytes = self.take(n)?;
        if n > 8 {
            self.push(Value::Other("a number"));
            return Ok(());
        }
        let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { !0u64 } else { 0 };
        let number = bytes.iter().rev().fold(sign, |all, &byte| all << 8 | u64::from(byte));
        self.push(Value::Int(number.cast_signed()));
        Ok(())
    }

    fn value(&mut self, value: Value<'b>) -> Id {
        self.made.values.push(value);
        // a pickle has at most LARGEST_PICKLE bytes, and each makes a few values at most
        (self.made.values.len() - 1) as Id
    }

    fn push(&mut self, value: Value<'b>) {
        let id = self.value(value);
        self.stack.push(id);
    }

    /// The lowest place that an opcode may take from.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        match self.stack.len() > self.floor() {
            true => self.stack.pop().ok_or_else(Fault::default),
            false => Err("an opcode that takes what is not there".into()),
        }
    }

    fn top(&self) -> Result<Id, Fault> {
        let top = self.stack.get(self.floor()..).and_then(<[Id]>::last);
        top.copied().ok_or_else(|| "an opcode that changes what is not there".into())
    }

    /// Where the last mark is, which goes.
    fn mark(&mut self) -> Result<usize, Fault> {
        self.marks.pop().ok_or_else(|| "an opcode that takes all since a mark, without one".into())
    }

    /// Numbers, texts, bytes, and what has no opcode's effect.
    fn literal(&mut self, op: u8) -> Result<bool, Fault> {
        match op {
            0x80 => match self.number(1)? {
                2..=5 => {}
                other => {
                    return Err(format!("expected the pickle protocols 2 to 5, found {other}"));
                }
            },
            // a frame only says how many bytes belong together
            0x95 => match self.number(8)? {
                length if length <= self.bytes.len() - self.at => {}
                length => return Err(format!("a frame of {length} bytes, more than there are")),
            },
            b'J' => self.whole(4)?,
            b'K' | b'M' => {
                let number = self.number(if op == b'K' { 1 } else { 2 })?;
                self.push(Value::Int(number as i64));
            }
            0x8a | 0x8b => {
                let length = self.number(if op == 0x8a { 1 } else { 4 })?;
                self.whole(length)?;
            }
            b'G' => _ = (self.take(8)?, self.push(Value::Other("a number"))),
            b'N' => self.push(Value::Other("nothing")),
            0x88 | 0x89 => self.push(Value::Other("a truth value")),
            b'X' | b'T' => self.text(4)?,
            0x8c | b'U' => self.text(1)?,
            0x8d => self.text(8)?,
            b'B' => _ = (self.sized(4)?, self.push(Value::Other("bytes"))),
            b'C' => _ = (self.sized(1)?, self.push(Value::Other("bytes"))),
            0x8e | 0x96 => _ = (self.sized(8)?, self.push(Value::Other("bytes"))),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Marks, tuples, and what is left of lists and sets.
    fn gather(&mut self, op: u8) -> Result<bool, Fault> {
        match op {
            b'(' => self.marks.push(self.stack.len()),
            b'0' if self.stack.len() == self.floor() && !self.marks.is_empty() => {
                _ = self.mark()?
            }
            b'0' => _ = self.pop()?,
            b'1' => {
                let mark = self.mark()?;
                self.stack.truncate(mark);
            }
            b'2' => self.stack.push(self.top()?),
            b')' => self.push(Value::Tuple(0, 0)),
            b't' => {
                let mark = self.mark()?;
                self.tuple(mark)?;
            }
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(op - 0x84));
                let from = from.filter(|&from| from >= self.floor());
                self.tuple(from.ok_or("a tuple of what is not there")?)?;
            }
            b']' => self.push(Value::Other("a list")),
            0x8f => self.push(Value::Other("a set")),
            b'l' | 0x91 => {
                let mark = self.mark()?;
                self.stack.truncate(mark);
                self.push(Value::Other(if op == b'l' { "a list" } else { "a set" }));
            }
            b'a' => _ = (self.pop()?, self.top()?),
            b'e' | 0x90 => {
                let mark = self.mark()?;
                self.stack.truncate(mark);
                self.top()?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A tuple of all that stands on the stack from a place on.
    fn tuple(&mut self, from: usize) -> Result<(), Fault> {
        let items = self.stack.get(from..).ok_or("a tuple of what is not there")?;
        let (place, many) = (self.made.items.len() as u32, items.len() as u32);
        self.made.items.extend_from_slice(items);
        self.stack.truncate(from);
        self.push(Value::Tuple(place, many));
        Ok(())
    }

    /// Dicts.
    fn entries(&mut self, op: u8) -> Result<bool, Fault> {
        match op {
            b'}' => self.push(Value::Dict(None)),
            b'd' => {
                let mark = self.mark()?;
                let entries = self.stack.split_off(mark);
                self.push(Value::Dict(None));
                self.set(&entries)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let mark = self.mark()?;
                let entries = self.stack.split_off(mark);
                self.set(&entries)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Sets keys and values of the dict on top; an object that has such is none of ours.
    fn set(&mut self, entries: &[Id]) -> Result<(), Fault> {
        let (pairs, []) = entries.as_chunks::<2>() else {
            return Err("a key without a value".into());
        };
        let top = self.top()?;
        let place = match self.made.get(top) {
            Value::Dict(Some(place)) => place,
            Value::Dict(None) => {
                self.made.dicts.push(Vec::new());
                let place = (self.made.dicts.len() - 1) as u32;
                self.made.values[top as usize] = Value::Dict(Some(place));
                place
            }
            Value::Call { .. } => return Ok(()),
            _ => return Err("entries for what is no dict".into()),
        };
        let dict = &mut self.made.dicts[place as usize];
        dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    /// The memo.
    fn remembered(&mut self, op: u8) -> Result<bool, Fault> {
        let put = match op {
            b'q' => self.number(1)?,
            b'r' => self.number(4)?,
            0x94 => self.memo.len(),
            b'h' | b'j' => {
                let key = self.number(if op == b'h' { 1 } else { 4 })? as u32;
                let id = self.memo.get(&key).copied();
                self.stack.push(id.ok_or_else(|| format!("number {key} of a memo without it"))?);
                return Ok(true);
            }
            _ => return Ok(false),
        };
        let id = self.top()?;
        self.memo.insert(put as u32, id);
        Ok(true)
    }

    /// Globals, calls and storages: named, never looked up.
    fn object(&mut self, op: u8) -> Result<bool, Fault> {
        match op {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Global { module, name });
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                if self.made.text(module).is_none() || self.made.text(name).is_none() {
                    return Err("a global whose name is no text".into());
                }
                self.push(Value::Global { module, name });
            }
            b'R' | 0x81 => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.call(callable, args);
            }
            0x92 => {
                let (_named, args, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(callable, args);
            }
            b'o' | b'i' => {
                let named = if op == b'i' { Some((self.line()?, self.line()?)) } else { None };
                let mark = self.mark()?;
                let class = match named {
                    Some((module, name)) => self.value(Value::Global { module, name }),
                    None => *self.stack.get(mark).ok_or("an object without a class")?,
                };
                self.stack.truncate(mark);
                let args = self.value(Value::Other("arguments"));
                self.push(Value::Call { callable: class, args });
            }
            // what an object is given beside its making: a state dict's _metadata
            b'b' => _ = (self.pop()?, self.top()?),
            b'Q' => {
                let what = self.pop()?;
                self.push(Value::Storage(what));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A call, but that an empty `OrderedDict` is a dict.
    fn call(&mut self, callable: Id, args: Id) {
        let empty = self.made.tuple(args).is_some_and(<[Id]>::is_empty);
        match self.made.global(callable) {
            Some(("collections", "OrderedDict")) if empty => self.push(Value::Dict(None)),
            _ => self.push(Value::Call { callable, args }),
        }
    }
}

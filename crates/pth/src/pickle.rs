//! What a pickle holds: values that name each other by number.

/// The number of a value.
pub type Id = u32;

/// A value as the machine leaves it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'b> {
    Int(i64),
    Text(&'b str),
    /// Items from a place in [`Pickle::items`] on, and how many.
    Tuple(u32, u32),
    /// A place in [`Pickle::dicts`], once it has entries.
    Dict(Option<u32>),
    /// A name in a module.
    Global {
        module: Id,
        name: Id,
    },
    /// What would be called, with its arguments.
    Call {
        callable: Id,
        args: Id,
    },
    /// What the pickle says of a storage outside of it.
    Storage(Id),
    /// Anything that no tensor is described by, in words.
    Other(&'static str),
}

/// What a pickle holds.
#[derive(Default)]
pub struct Pickle<'b> {
    pub(crate) values: Vec<Value<'b>>,
    pub(crate) items: Vec<Id>,
    pub(crate) dicts: Vec<Vec<(Id, Id)>>,
    pub(crate) root: Id,
}

impl<'b> Pickle<'b> {
    /// The object that was pickled.
    pub fn root(&self) -> Id {
        self.root
    }

    /// A value by its number.
    pub fn get(&self, id: Id) -> Value<'b> {
        self.values.get(id as usize).copied().unwrap_or(Value::Other("nothing"))
    }

    /// The text that a value is.
    pub fn text(&self, id: Id) -> Option<&'b str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a tuple.
    pub fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(from, many) => {
                self.items.get(from as usize..from as usize + many as usize)
            }
            _ => None,
        }
    }

    /// The entries of a dict, in the order in which they were set.
    pub fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Value::Dict(None) => Some(&[]),
            Value::Dict(Some(place)) => self.dicts.get(place as usize).map(Vec::as_slice),
            _ => None,
        }
    }

    /// Module and name of a global.
    pub fn global(&self, id: Id) -> Option<(&'b str, &'b str)> {
        match self.get(id) {
            Value::Global { module, name } => Some((self.text(module)?, self.text(name)?)),
            _ => None,
        }
    }
}

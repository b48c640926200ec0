//! The state dict in a pickle: where programs put it, and what its tensors are.

use crate::error::shown;
use crate::pickle::{Id, Pickle, Value};
use crate::{Error, LARGEST_PICKLE};
use std::collections::BTreeMap;

/// Where programs put a state dict in what they save: the paper's released code says `network`,
/// Lightning `state_dict`.
const NESTED: [&str; 6] = ["network", "state_dict", "model", "net", "model_state_dict", "module"];
/// What wrappers put in front of every name: `DataParallel`, `torch.compile`, and modules that keep
/// the network as a part of theirs, as Lightning's do.
const WRAPPERS: [&str; 5] = ["module.", "_orig_mod.", "net.", "model.", "network."];
/// So many keys stand in a sentence that gives examples.
const MANY: usize = 8;
/// A tensor's name in bytes, and its axes: more has none.
const LONGEST_NAME: usize = 512;
const MOST_AXES: usize = 16;

/// A tensor as a pickle describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Elements along each axis.
    pub shape: Vec<usize>,
    /// Elements between neighbours along each axis.
    pub(crate) strides: Vec<usize>,
    /// PyTorch's name for the storage: `FloatStorage` and so on.
    pub(crate) storage: String,
    /// The storage's file, `data/<key>`.
    pub(crate) key: String,
    /// Elements of the storage.
    pub(crate) elements: usize,
    /// Its first element in the storage.
    pub(crate) offset: usize,
}

/// The tensors that a pickle describes, by name and without the prefixes of wrappers; nothing of
/// the pickle is run.
///
/// # Errors
/// A pickle that cannot be read, or that holds no state dict, or one with something in it that only
/// other code could make a tensor of.
pub fn described(pickle: &[u8]) -> Result<BTreeMap<String, Tensor>, Error> {
    if pickle.len() > LARGEST_PICKLE {
        return Err(Error::LargePickle { found: pickle.len() });
    }
    let pickle = Pickle::read(pickle)?;
    let Some(entries) = pickle.dict(pickle.root()) else {
        return Err(Error::NoDict { found: said(&pickle, pickle.root()) });
    };
    // a program that wrote two of them would take the last, and another reader the first
    let count = |key: &str| entries.iter().filter(|(k, _)| pickle.text(*k) == Some(key)).count();
    if let Some(twice) = NESTED.iter().find(|key| count(key) > 1) {
        return Err(Error::Twice { name: (*twice).to_owned() });
    }
    // the nested one first: beside it there may be a tensor at the top level, such as the best
    // accuracy so far
    let nested = NESTED.iter().find_map(|key| {
        let (_, value) = entries.iter().find(|(k, _)| pickle.text(*k) == Some(key))?;
        let inner = pickle.dict(*value)?;
        inner.iter().any(|(_, value)| is_tensor(&pickle, *value)).then_some(inner)
    });
    let tensors = tensors(&pickle, nested.unwrap_or(entries))?;
    if tensors.is_empty() {
        let keys = entries.iter().filter_map(|(key, _)| pickle.text(*key));
        let keys: Vec<String> = keys.take(MANY).map(shown).collect();
        let found = if keys.is_empty() {
            "nothing".into()
        } else {
            format!("the keys {}", keys.join(", "))
        };
        return Err(Error::NoTensors { places: NESTED.join(", "), found });
    }
    Ok(tensors)
}

/// What a value is, in words.
fn said(pickle: &Pickle, id: Id) -> String {
    match pickle.get(id) {
        Value::Int(_) => "a number".into(),
        Value::Text(_) => "a text".into(),
        Value::Tuple(..) => "a tuple".into(),
        Value::Dict(_) => "a dict".into(),
        Value::Storage(_) => "a storage".into(),
        Value::Other(words) => words.into(),
        Value::Global { .. } => name_of(pickle, id),
        Value::Call { .. } => format!("a whole Python object, made by {}", made_by(pickle, id)),
    }
}

/// The global at the root of a call.
fn made_by(pickle: &Pickle, id: Id) -> String {
    match pickle.get(id) {
        Value::Call { callable, .. } => name_of(pickle, callable),
        _ => name_of(pickle, id),
    }
}

fn name_of(pickle: &Pickle, id: Id) -> String {
    match pickle.global(id) {
        Some((module, name)) => format!("{}.{}", shown(module), shown(name)),
        None => "another object".into(),
    }
}

/// The tensors among entries. Plain values beside them are none; objects are refused.
fn tensors(pickle: &Pickle, entries: &[(Id, Id)]) -> Result<BTreeMap<String, Tensor>, Error> {
    let mut tensors = BTreeMap::new();
    for &(key, value) in entries {
        let Some(name) = pickle.text(key) else { continue };
        if !matches!(pickle.get(value), Value::Call { .. } | Value::Storage(_)) {
            continue;
        }
        let name = unwrapped(name);
        if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            let found = "has a name that no layer has; save model.state_dict()".into();
            return Err(Error::Tensor { name: shown(name), found });
        }
        let tensor = tensor(pickle, name, value)?;
        if tensors.insert(name.to_owned(), tensor).is_some() {
            return Err(Error::Twice { name: name.into() });
        }
    }
    Ok(tensors)
}

fn unwrapped(mut name: &str) -> &str {
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = inner;
    }
    name
}

/// The arguments of the call that makes a tensor, whether or not a parameter is wrapped around it.
/// A call's arguments came before the call, so this ends.
fn arguments<'p>(pickle: &'p Pickle, mut id: Id) -> Option<&'p [Id]> {
    // a parameter of a parameter is what torch writes at most; deeper ones would cost their depth
    for _ in 0..4 {
        let Value::Call { callable, args } = pickle.get(id) else { return None };
        let args = pickle.tuple(args)?;
        match pickle.global(callable)? {
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                id = *args.first()?;
            }
            ("torch._utils", "_rebuild_tensor_v2") => return Some(args),
            _ => return None,
        }
    }
    None
}

fn is_tensor(pickle: &Pickle, id: Id) -> bool {
    arguments(pickle, id).is_some()
}

/// `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks[, metadata])`.
fn tensor(pickle: &Pickle, name: &str, id: Id) -> Result<Tensor, Error> {
    let Some(args) = arguments(pickle, id) else {
        return Err(Error::Foreign { name: name.into(), global: made_by(pickle, id) });
    };
    let fault = |found: &str| Error::Tensor {
        name: name.into(),
        found: format!("{found}; save it again with torch.save"),
    };
    let [storage, offset, shape, strides, rest @ ..] = args else {
        return Err(fault("is described by too few arguments"));
    };
    // metadata: the tensor is a negated or conjugated view, and its numbers are not its own
    if rest.get(2).is_some_and(|&id| pickle.dict(id).is_none_or(|entries| !entries.is_empty())) {
        return Err(fault("is a lazy view of other numbers, save it with .resolve_neg()"));
    }
    let Value::Storage(storage) = pickle.get(*storage) else {
        return Err(fault("has no storage"));
    };
    let (Some(shape), Some(strides), Some(offset)) =
        (sizes(pickle, *shape), sizes(pickle, *strides), whole(pickle, *offset))
    else {
        return Err(fault("has sizes that are no sizes"));
    };
    // ('storage', torch.FloatStorage, key, 'cpu', elements)
    let of = match pickle.tuple(storage) {
        Some(&[_, class, key, _, elements, ..]) => {
            let class = pickle.global(class).filter(|(module, _)| module.starts_with("torch"));
            class.zip(pickle.text(key)).zip(whole(pickle, elements))
        }
        _ => None,
    };
    let Some((((_, class), key), elements)) = of else {
        return Err(fault("has a storage that is described in another way than torch.save does"));
    };
    Ok(Tensor { shape, strides, storage: shown(class), key: key.to_owned(), elements, offset })
}

fn sizes(pickle: &Pickle, id: Id) -> Option<Vec<usize>> {
    let sizes = pickle.tuple(id).filter(|sizes| sizes.len() <= MOST_AXES)?;
    sizes.iter().map(|&size| whole(pickle, size)).collect()
}

fn whole(pickle: &Pickle, id: Id) -> Option<usize> {
    match pickle.get(id) {
        Value::Int(n) => usize::try_from(n).ok(),
        _ => None,
    }
}

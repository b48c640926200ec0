//! Network → graph → file → graph → network: the same spikes; and what is refused.
#![allow(clippy::unwrap_used, clippy::panic)]

use candle_core::{DType, Device, Tensor};
use candle_nn::VarMap;
use layers::{Mode, StatisticsOver};
use models::{Layer, Network, Norm, Spec, StageOptions};
use neuron::{Config, Fires, Kind, Reset, ResetGradient};
use nir::{Array, Convolution, DT, Error, Graph, Membrane, Node, Pool, Population};

const SAMPLE: [usize; 3] = [12, 10, 2];

fn options(rectify: bool) -> StageOptions {
    StageOptions { rectify, ..StageOptions::from(StatisticsOver::Step) }
}

/// A network with weights that are not those of the beginning, norms too.
fn built(notation: &str, config: Config, options: StageOptions) -> Network {
    let map = VarMap::new();
    let vb = candle_nn::VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let spec: Spec = notation.parse().unwrap();
    let network = Network::new(&spec, SAMPLE, 3, config.build().unwrap(), options, vb).unwrap();
    for (name, var) in map.data().lock().unwrap().iter() {
        let n = var.elem_count();
        // a pattern that is uneven, and differs from variable to variable
        let salt = name.bytes().map(f64::from).sum::<f64>();
        let wave = |i: usize| ((i as f64 * 12.9898 + salt).sin() * 437.5453).fract();
        let value = |i: usize| match () {
            () if name.ends_with("norm.weight") => 1.2 + 0.5 * wave(i),
            () if name.ends_with("running_var") => 0.4 + 0.3 * wave(i).abs(),
            () if name.ends_with(".w") => 0.3,
            () => 0.7 * wave(i),
        };
        let values: Vec<f32> = (0..n).map(|i| value(i) as f32).collect();
        var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap()).unwrap();
    }
    network
}

fn frames() -> Tensor {
    let n = 6 * 2 * SAMPLE.iter().product::<usize>();
    let count = |i: usize| ((i * 7919 % 101) / 70) as f32;
    Tensor::from_vec((0..n).map(count).collect(), (6, 2, 12, 10, 2), &Device::Cpu).unwrap()
}

fn votes(network: &Network) -> Vec<f32> {
    let votes = network.votes(&frames(), Mode::Eval, &mut ()).unwrap();
    votes.flatten_all().unwrap().to_vec1().unwrap()
}

fn graph(network: &Network, config: Config) -> Result<Graph, Error> {
    let pooled = |name: &str| name.starts_with("AN");
    let all = network.neurons();
    nir::export(network, SAMPLE, &|name| match pooled(name) {
        true => Ok(Membrane::POOL),
        false => {
            let (_, neuron) = all.iter().find(|(of, _)| *of == name).unwrap();
            Membrane::of(name, &config, &neuron.readings()?)
        }
    })
}

fn through_a_file(graph: &Graph) -> Graph {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.nir");
    std::fs::write(&path, graph.to_bytes().unwrap()).unwrap();
    let mut read = Graph::read(&path).unwrap();
    // a file has its groups in the order of their names
    read.nodes.sort_by_key(|(name, _)| graph.nodes.iter().position(|(of, _)| of == name));
    read
}

#[test]
fn a_network_is_the_same_behind_a_file() {
    let kinds = [
        Kind::Lif { decay: 0.9 },
        Kind::If,
        Kind::Plif(Default::default()),
        Kind::Synaptic(Default::default()),
        Kind::Sbpsnn(Default::default()),
    ];
    let notations = [
        ("4C3-MP2-6C3(valid)-AP2-3FC-2Voting", "4C3-MP2-6C3(valid)-AP2-3FC-2Voting"),
        ("2C5-DP-AP3/2(P1)-5C1-2FC(DP)-1Voting", "2C5-AP3/2(P1)-5C1-2FC-1Voting"),
        ("4Voting", "4Voting"),
    ];
    let mut fired = 0.0;
    for kind in kinds {
        for (notation, expected) in notations {
            for fires in [Fires::AtThreshold, Fires::AboveThreshold] {
                let config = Config { kind, fires, ..Config::bpsa_bpta() };
                let network = built(notation, config, options(false));
                let written = graph(&network, config).unwrap();
                let read = through_a_file(&written);
                assert_eq!(read, written);
                let imported = nir::network(&read, DT).unwrap();
                assert_eq!(imported.sample, SAMPLE);
                let (ours, theirs) = (votes(&network), votes(&imported.network));
                assert_eq!(ours, theirs, "{notation} of {kind:?}");
                fired += ours.iter().sum::<f32>();
                let said = nir::said(&imported).unwrap();
                assert_eq!(said.notation, expected);
                let outputs = said.neurons.len();
                assert_eq!(said.weights.len(), 2 * outputs);
            }
        }
    }
    assert!(fired > 100.0, "{fired}");
}

#[test]
fn what_nir_has_no_word_for_is_refused_with_its_reason() {
    let config = Config::bpsa_bpta();
    let sentence = |network: &Network| graph(network, config).unwrap_err().to_string();
    let relu = built("4C3-MP2-2Voting", config, options(true));
    assert_eq!(
        sentence(&relu),
        "NIR cannot say the ReLU before the neurons of 4C3-1: it has no rectifier, and a negative \
         current changes a membrane; train the network without it, with --set rectify=false"
    );
    let first = built("MP2-4C3-2Voting", config, options(false));
    assert!(sentence(&first).starts_with("NIR cannot say the max pooling before 4C3-1"));
    let averaged = built("4C3-AP2-MP2-2Voting", config, options(false));
    assert!(sentence(&averaged).starts_with("NIR cannot say the max pooling before head"));
    let lateral = built("4C3(L3)-2Voting", config, options(false));
    assert!(sentence(&lateral).starts_with("NIR cannot say the lateral connections of 4C3(L3)-1"));
    let signs = built("4C3(BE3)-2Voting", config, options(false));
    assert!(sentence(&signs).starts_with("NIR cannot say the feedback and signs of 4C3(BE3)-1"));
    let trace = built("4C3-NN-2Voting", config, options(false));
    assert!(sentence(&trace).starts_with("NIR cannot say the NeuNorm before head"));
    for (config, what) in [
        (Config { reset: Reset::Subtract, ..config }, "subtract their threshold"),
        (Config { kind: Kind::Refractory(Default::default()), ..config }, "alone"),
    ] {
        let refused = Membrane::of("head", &config, &[]).unwrap_err().to_string();
        assert!(refused.contains("the neurons of head") && refused.contains(what), "{refused}");
    }
    assert_eq!(config.reset_gradient, ResetGradient::Residual { alpha: 0.2 });
}

#[test]
fn a_residual_network_is_a_graph_whose_edges_add_up() {
    let config = Config::bpsa_bpta();
    let notation = "4S3-4RB3-6RB3/2-6RB3/2(post)-6RB3(post)-BN-AP2-2Voting";
    let options = StageOptions { norm: Norm::default(), ..options(false) };
    let graph = graph(&built(notation, config, options), config).unwrap();
    let into = |name: &str| graph.edges.iter().filter(|(_, to)| to == name).count();
    let joins = graph.nodes.iter().filter(|(name, _)| into(name) == 2).count();
    // two blocks with pre-activation and two without
    assert_eq!(joins, 4);
    let ends: Vec<&str> = graph
        .nodes
        .iter()
        .filter(|(name, _)| into(name) == 0)
        .map(|(_, node)| node.kind())
        .collect();
    assert_eq!(ends, ["Input"]);
    assert_eq!(through_a_file(&graph), graph);
    let refused = nir::network(&graph, DT).unwrap_err().to_string();
    assert!(refused.contains("a chain alone can be read"), "{refused}");
}

/// A file that others wrote: fields that they leave out, other shapes.
#[test]
fn nodes_of_others_are_read_or_named() {
    let config = Config::bpsa_bpta();
    let network = built("4C3-2Voting", config, options(false));
    let written = graph(&network, config).unwrap();
    let change = |kind: &str, change: &dyn Fn(&mut Node)| {
        let mut graph = written.clone();
        let found = graph.nodes.iter_mut().find(|(_, node)| node.kind() == kind);
        change(&mut found.unwrap().1);
        nir::network(&graph, DT).unwrap_err().to_string()
    };
    let refused = change("LIF", &|node| *node = Node::Other("LI".into()));
    assert!(
        refused.contains("node lif_4C3_1: expected Conv2d, Affine")
            && refused.ends_with("found LI"),
        "{refused}"
    );
    let refused = change("LIF", &|node| {
        let Node::Neurons(of) = node else { panic!() };
        of.v_threshold.values[0] = 3.0;
    });
    assert!(refused.contains("one v_threshold for all neurons"), "{refused}");
    let refused = change("LIF", &|node| {
        let Node::Neurons(of) = node else { panic!() };
        of.tau = Some(Array::filled(&[1], 1e-5));
    });
    assert!(refused.contains("tau of at least 0.0001 s"), "{refused}");
    let refused = change("Conv2d", &|node| {
        let Node::Conv2d(conv) = node else { panic!() };
        conv.dilation = [2, 2];
    });
    assert!(refused.contains("no dilation"), "{refused}");
    let mut circle = written.clone();
    circle.edges.push(("output".into(), "input".into()));
    assert!(nir::network(&circle, DT).is_ok(), "what is behind the output does not matter");
    let mut apart = written.clone();
    apart.edges.retain(|(from, _)| from != "input");
    assert!(nir::network(&apart, DT).unwrap_err().to_string().contains("found 0"));
    // grouped channels are a dense product here
    let grouped = written.nodes.iter().map(|(name, node)| match node {
        Node::Conv2d(conv) => {
            let mut conv = conv.clone();
            conv.groups = 2;
            conv.weight = Array::filled(&[4, 1, 3, 3], 0.5);
            (name.clone(), Node::Conv2d(conv))
        }
        node => (name.clone(), node.clone()),
    });
    let grouped = Graph { nodes: grouped.collect(), edges: written.edges.clone() };
    let network = nir::network(&grouped, DT).unwrap().network;
    let Layer::Conv(conv) = &network.layers()[0] else { panic!() };
    let zeros = conv.weight.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(zeros.iter().filter(|&&value| value == 0.0).count(), 9 * 4);
}

/// Sizes that a file of a few bytes can claim, and a pooling that is not one.
#[test]
fn what_no_memory_holds_is_refused_and_a_synapse_is_no_or() {
    let chain = |nodes: Vec<(&str, Node)>| {
        let names: Vec<String> = nodes.iter().map(|(name, _)| name.to_string()).collect();
        let edges = names.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        let nodes = nodes.into_iter().map(|(name, node)| (name.to_owned(), node)).collect();
        nir::network(&Graph { nodes, edges }, DT)
    };
    let window = |side: usize| Pool { kernel: [side; 2], stride: [side; 2], padding: [0; 2] };
    let huge = 1 << 30;
    let ends = || ("out", Node::Output(vec![1]));
    let refused = chain(vec![("in", Node::Input(vec![huge, huge, huge])), ends()]);
    assert!(refused.unwrap_err().to_string().contains("at most 2²⁹"));
    let sum = ("sum", Node::SumPool2d(window(2)));
    let refused = chain(vec![("in", Node::Input(vec![1 << 20, 4, 4])), sum.clone(), ends()]);
    assert!(refused.unwrap_err().to_string().contains("node sum: expected at most 2²⁹"));
    let grouped = Convolution {
        weight: Array::filled(&[1 << 20, 1, 1, 1], 1.0),
        bias: Array::filled(&[1 << 20], 0.0),
        input_shape: None,
        stride: [1; 2],
        padding: [0; 2],
        dilation: [1; 2],
        groups: 1 << 20,
    };
    let grouped = ("conv", Node::Conv2d(grouped));
    let refused = chain(vec![("in", Node::Input(vec![1 << 20, 2, 2])), grouped, ends()]);
    assert!(refused.unwrap_err().to_string().contains("node conv: expected at most 2²⁹"));

    let filled = |shape: &[usize], value: f32| Array::filled(shape, value);
    let neurons = |shape: &[usize], synapse: Option<[Array; 2]>| {
        Node::Neurons(Population {
            tau: Some(filled(shape, 2e-4)),
            synapse,
            r: filled(shape, 2.0),
            v_leak: filled(shape, 0.0),
            v_threshold: filled(shape, 0.25),
            v_reset: filled(shape, 0.0),
        })
    };
    for (synapse, pools) in [(None, 1), (Some([filled(&[1], 2e-4), filled(&[1], 2.0)]), 0)] {
        let first = ("first", neurons(&[1, 4, 4], None));
        let behind = ("behind", neurons(&[1, 2, 2], synapse));
        let input = ("in", Node::Input(vec![1, 4, 4]));
        let imported = chain(vec![input, first, sum.clone(), behind, ends()]).unwrap();
        let all = imported.network.layers().iter();
        assert_eq!(all.filter(|layer| matches!(layer, Layer::MaxPool(2))).count(), pools);
    }
}

#[test]
fn whatever_the_bytes_it_is_a_graph_or_a_sentence() {
    let config = Config::bpsa_bpta();
    let folder = tempfile::tempdir().unwrap();
    let small = built("2C3-1Voting", config, options(false));
    let bytes = graph(&small, config).unwrap().to_bytes().unwrap();
    let mut sentences = 0;
    let mut read = |bytes: Vec<u8>| {
        let network = Graph::from_bytes(bytes).and_then(|graph| nir::network(&graph, DT));
        sentences += usize::from(network.is_err());
    };
    for length in (0..bytes.len()).step_by(bytes.len() / 60) {
        read(bytes[..length].to_vec());
    }
    for at in (0..bytes.len()).step_by(bytes.len() / 500) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0xff;
        read(bytes);
    }
    assert!(sentences > 60, "{sentences}");
    let absent = Graph::read(&folder.path().join("absent")).unwrap_err().to_string();
    assert!(absent.starts_with("expected a NIR file, found"), "{absent}");
}

/// Files that the other simulators exported (`simulators/theirs`), and what they then did: Norse
/// 1.1 writes τ·dt in place of τ, so that its files are for steps of dt².
#[test]
fn networks_of_other_simulators_fire_as_they_do_there() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for (name, dt) in [("spikingjelly", DT), ("snntorch", DT), ("norse", 1e-6)] {
        let graph = Graph::read(&data.join(format!("{name}.nir"))).unwrap();
        let imported = nir::network(&graph, dt).unwrap();
        let file = data.join(format!("{name}.safetensors"));
        let stored = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
        let frames = &stored["frames"];
        let steps = frames.dim(0).unwrap();
        // time, batch, height, width, channel
        let frames = match frames.rank() {
            4 => frames.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap(),
            _ => frames.unsqueeze(1).unwrap().unsqueeze(1).unwrap(),
        };
        let votes = imported
            .network
            .votes(&frames.unsqueeze(1).unwrap(), Mode::Eval, &mut ())
            .unwrap()
            .squeeze(1)
            .unwrap();
        let of = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let (ours, theirs) = (of(&votes), of(&stored["spikes"]));
        assert_eq!(ours, theirs, "{name}");
        let fired = theirs.iter().sum::<f32>();
        assert!(fired >= 5.0 && fired < (theirs.len() - 5) as f32, "{name}: {fired} in {steps}");
        // and the notation has a name for it
        let said = nir::said(&imported).unwrap();
        assert!(said.notation.ends_with("1Voting"), "{name}: {}", said.notation);
    }
}

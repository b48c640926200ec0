//! The paper's notation parsed into a spiking network

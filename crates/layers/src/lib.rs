//! Layers between neurons, channels last: convolution, linear, batch norm, pooling, dropout, voting

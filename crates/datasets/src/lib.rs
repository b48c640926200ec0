//! Data sets: constants, citation, split, decoder; and a generator of synthetic recordings

//! Seeded variables, batches, loss, optimiser, schedule and one loop

//! Thalweg.

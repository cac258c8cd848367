"""Operations: health, leadership, sweeps."""

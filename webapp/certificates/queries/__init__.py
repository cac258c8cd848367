"""Questions about certificates: ``issuing`` for the work behind them, ``pages`` for what people see."""

"""Schedule slots: the periods in which trainers are taken."""

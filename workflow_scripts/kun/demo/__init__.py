"""The demo's material: real Chinese texts and a small base model out of three published packages, in the published containers."""

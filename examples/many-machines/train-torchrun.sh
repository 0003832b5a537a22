#!/bin/sh
# On every node: NODE_RANK=0 MASTER_ADDR=first-node sh examples/many-machines/train-torchrun.sh
# The port has no password: nobody but these nodes should reach it.
export IMLGCN_CACHE=/shared/cache/imlgcn
exec torchrun --nnodes=2 --nproc-per-node=4 --node-rank="$NODE_RANK" \
  --master-addr="$MASTER_ADDR" --master-port="${MASTER_PORT:-29500}" \
  -m imlgcn train /shared/photos/labels.csv --out /shared/runs/photos --fine-tune "$@"

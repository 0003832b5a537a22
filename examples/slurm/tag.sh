#!/bin/bash
# Tag photos/ in 8 tasks, each a shard, and merge what they write:
#   job=$(sbatch --parsable tag.sh)
#   sbatch --dependency=afterok:$job --wrap 'imlgcn merge-predictions tags.*-of-8.csv --out tags.csv'
#SBATCH --job-name=tag
#SBATCH --array=1-8
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=08:00:00
#SBATCH --requeue

# The 8 is written out, not $SLURM_ARRAY_TASK_COUNT: that is another number when only some
# tasks are submitted again. With --resume a task that was killed goes on where it stopped, and
# one that is complete ends at once. Exit code 3: some files could not be read; their rows say why.
imlgcn predict runs/demo photos/ --out tags.csv --shard "$SLURM_ARRAY_TASK_ID/8" --resume ||
  [ $? -eq 3 ]

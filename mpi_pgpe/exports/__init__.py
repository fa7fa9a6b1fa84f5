"""Recorded runs, handed to the tools that people look at trainings with.

    contents                 what is handed on of a run: its points by generation, its settings, its agents
    output                   a folder of such runs: one program at a time, and what each run has been handed on of
    event_files, mlflow_store, wandb_files, tables      the same for one tool each, by that tool's own writer

A record is never changed. A run may be exported again and again, while it goes on and after the exporter was killed:
no point is there twice, because each writer puts its output back to what is noted before it goes on.

May import: runs, training, base; of third parties tensorboard, mlflow and wandb, each in one module, when it is first
needed.
"""

# SPDX-License-Identifier: Apache-2.0
"""Runs into trackers that other people look at: Weights & Biases, MLflow, trackio. Each is an extra of the package, imported
when it is asked for; where data go is theirs to say (wandb login, MLFLOW_TRACKING_URI, ...)."""

import math
from importlib import import_module
from typing import Any, Dict, List, Optional

from precipice.export.sources import Source, by_step, each_run, load, run_names
from precipice.runs.run_files import ReportError


def library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ReportError(f"{name} is not installed here ({error}): pip install 'precipice[{name}]'")


def to_wandb(source: Source, project: str, **settings: Any) -> List[str]:
    """A Weights & Biases run for each run: config and every series under group/series, by step. `settings` go to wandb.init
    (entity, mode="offline", dir, ...). Returns the names of the runs."""
    return log_steps(library("wandb"), source, project, settings)


def to_trackio(source: Source, project: str, **settings: Any) -> List[str]:
    """A trackio run for each run, as to_wandb; `settings` go to trackio.init (space_id, ...)."""
    return log_steps(library("trackio"), source, project, settings)


def log_steps(tracker: Any, source: Source, project: str, settings: Dict[str, Any]) -> List[str]:
    """wandb and trackio have the same calls."""
    loaded = load(source)
    names = run_names(loaded)
    done = []
    for run, config, frame in each_run(loaded):
        tracked = tracker.init(project=project, name=names[run], config={**config, "run": run}, **settings)
        for step, values in by_step(frame):
            tracked.log(values, step=step)
        tracked.finish()
        done.append(names[run])
    return done


def to_mlflow(source: Source, experiment: str, tracking_uri: Optional[str] = None) -> List[str]:
    """An MLflow run for each run: the config as parameters, every series as a metric, by step. MLflow keeps no NaN in some of
    its stores: such values stay out and are counted in the tag `precipice.not_numbers`. Returns the ids of the runs."""
    mlflow = library("mlflow")
    if tracking_uri is not None:
        mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_experiment(experiment)
    loaded = load(source)
    names = run_names(loaded)
    done = []
    for run, config, frame in each_run(loaded):
        with mlflow.start_run(run_name=names[run], tags={"precipice.run": run}) as tracked:
            mlflow.log_params({name: str(value)[:500] for name, value in config.items()})
            lost = 0
            for step, values in by_step(frame):
                known = {tag: value for tag, value in values.items() if math.isfinite(value)}
                lost += len(values) - len(known)
                mlflow.log_metrics(known, step=step)
            mlflow.set_tag("precipice.not_numbers", lost)
            done.append(tracked.info.run_id)
    return done

"""Many pieces of work, done one after the other, by several processes, or on a Ray cluster."""

from mastac.jobs.here import Here
from mastac.jobs.job import Job, Outcome, Watch, Where
from mastac.jobs.training import TrainingJob

__all__ = ["Here", "Job", "Outcome", "TrainingJob", "Watch", "Where"]

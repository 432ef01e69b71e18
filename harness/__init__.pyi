"""The public names, for type checkers; where each is loaded from stands in ``__init__.py``."""

from harness.compute.backbone import Backbone as Backbone
from harness.compute.backbone import Classifier as Classifier
from harness.compute.meter import BudgetExhausted as BudgetExhausted
from harness.compute.meter import ComputeMeter as ComputeMeter
from harness.core.budget import Budget as Budget
from harness.core.errors import UserError as UserError
from harness.core.spec import RunSpec as RunSpec
from harness.core.spec import Setting as Setting
from harness.core.stream import Stream as Stream
from harness.core.task import Examples as Examples
from harness.core.task import Kind as Kind
from harness.core.task import Phase as Phase
from harness.core.task import Provenance as Provenance
from harness.core.task import Split as Split
from harness.core.task import Task as Task
from harness.learning.context import Context as Context
from harness.learning.recipe import Recipe as Recipe
from harness.learning.strategy import Strategy as Strategy
from harness.learning.training import fit as fit
from harness.notebook import Results as Results
from harness.notebook import load as load
from harness.notebook import run as run
from harness.storage.run_folder import RunFolder as RunFolder

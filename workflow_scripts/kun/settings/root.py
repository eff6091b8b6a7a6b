"""The whole configuration."""

from pydantic import Field

from kun.settings.base import Section
from kun.settings.completions import Engine
from kun.settings.corpus import Corpus
from kun.settings.dataset import Dataset, Report
from kun.settings.evaluation import Evaluation
from kun.settings.models import Models
from kun.settings.perplexity import Perplexity
from kun.settings.plan import Plan
from kun.settings.resources import Resources
from kun.settings.roles import Answers, Instructions, Label, Polish, Score
from kun.settings.selection import Decontamination, Duplicates, Primary
from kun.settings.training import Seed, Training


class Settings(Section):
    results: str = Field("results", description="folder for everything that is made")
    iterations: int = Field(
        1,
        ge=1,
        description="rounds of curation. 1: Kun's · 2: Humpback's, in which the final model of the first round scores the same instructions "
        "anew; a later round is made under rounds/ in the results",
    )
    corpus: Corpus = Field(Corpus(), description="raw text: sources and shards")
    perplexity: Perplexity = Field(Perplexity(), description="n-gram perplexity and its cut")
    primary: Primary = Field(Primary(), description="which documents become primary data")
    duplicates: Duplicates = Field(Duplicates(), description="which documents are copies of earlier ones")
    decontamination: Decontamination = Field(Decontamination(), description="benchmarks that the dataset must not contain")
    models: Models = Field(Models(), description="language models: trained here or given")
    seed: Seed = Field(Seed(), description="the pairs that both trainings start from")
    training: Training = Field(Training(), description="fine-tuning of the label model and the primary chat model")
    engine: Engine = Field(Engine(), description="how language models are run")
    label: Label = Field(Label(), description="role: an instruction for each text")
    score: Score = Field(Score(), description="role: a verdict on each instruction")
    instructions: Instructions = Field(Instructions(), description="which instructions go on")
    polish: Polish = Field(Polish(), description="role: from text and instruction to an answer")
    answers: Answers = Field(Answers(), description="which answers become pairs")
    dataset: Dataset = Field(Dataset(), description="what is delivered")
    report: Report = Field(Report(), description="the page that shows what happened")
    evaluation: Evaluation = Field(
        Evaluation(), description="how `snakemake evaluate` compares the chat models; nothing is selected by it"
    )
    plan: Plan = Field(Plan(), description="what a run will take: `snakemake plan`, before anything is queued")
    resources: Resources = Field(Resources(), description="what jobs ask of a cluster")

    def runs_on(self) -> str:
        """The device of jobs that ask models, as tables of speeds name it."""
        return self.plan.device or ("H100" if self.resources.gpus_completions else "cpu")

    def trains_on(self) -> str:
        return self.plan.device or ("H100" if self.resources.gpus_training else "cpu")

    def trained(self) -> list[str]:
        """The models that a run trains: label, chat, and final where a round's final model scores the next one."""
        return [*self.models.trained_roles(), *(["final"] if self.iterations > 1 else [])]

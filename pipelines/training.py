"""From a folder of labelled images to a champion and its Bento."""

from __future__ import annotations

from zenml import pipeline
from zenml.enums import ExecutionMode

from pipelines.code_dependencies import follow_code
from pipelines.configured import configured
from pipelines.data_preparation import prepare_data
from steps.begin_from_champion import begin_from_champion
from steps.build_bento import build_bento
from steps.calibrate import calibrate
from steps.compress import compress
from steps.cross_validate import cross_validate
from steps.evaluate import evaluate
from steps.gather_evidence import gather_evidence
from steps.judge import judge
from steps.pretrain import fingerprint_images, pretrain
from steps.promote import promote
from steps.register import register
from steps.report import report
from steps.train import train
from steps.try_bento import try_bento
from steps.tune import tune
from vision.config import Config


@configured
@pipeline(cache_policy=follow_code(), execution_mode=ExecutionMode.FAIL_FAST)
def training(config: Config = Config(), champion: int = 0) -> None:  # noqa: B008 - frozen
    """Data, model, evidence, service: each line is a step.

    `champion` is the version whose weights training begins with; 0: none.
    """
    unlabelled = fingerprint_images(config.pretrain)
    name, seed = config.name, config.seed
    manifest, prepared, policy = prepare_data(config)

    model, recipe = config.model, config.train
    best = tune(prepared, policy, model, recipe, config.tune, seed=seed, name=name)
    backbone = pretrain(
        prepared, policy, best, model, recipe, config.pretrain, seed=seed, name=name, fingerprint=unlabelled
    )
    folds, _ = cross_validate(
        prepared, manifest, policy, best, backbone, model, recipe, config.ensemble, config.cross_validate,
        seed=seed, name=name,
    )  # fmt: skip
    start, weights = backbone, ""
    if champion:
        start, weights = begin_from_champion(
            backbone, prepared, manifest, policy, best, model, recipe, champion=champion, name=name
        )
    trained, record = train(
        prepared, policy, best, start, model, recipe, config.ensemble, config.track, seed=seed, name=name
    )
    calibrated = calibrate(trained, prepared, config.calibrate, seed=seed)
    show = config.evaluate
    before, before_logits = evaluate(calibrated, prepared, record, show, seed=seed, name=name)
    report(calibrated, before_logits, before, prepared, manifest, policy, record, show, seed=seed, name=name)

    servable, exportable, table = compress(
        calibrated, prepared, policy, config.compress, config.calibrate, seed=seed
    )
    evaluation, logits = evaluate(
        servable, prepared, record, show, seed=seed, name=name, compression=table, id="evaluate_servable"
    )
    evidence = gather_evidence(
        servable, logits, calibrated, before_logits, prepared, manifest, folds, show,
        seed=seed, name=name,
    )  # fmt: skip
    page, numbers, card = report(
        servable, logits, evaluation, prepared, manifest, policy, record, show, seed=seed, name=name,
        before=before, compression=table, best=best, evidence=evidence, id="report_servable",
    )  # fmt: skip

    version = register(
        servable, exportable, table, evaluation, page, numbers, card, manifest, prepared, record, config,
        weights=weights,
    )  # fmt: skip
    decision, _ = judge(version, manifest, config.promote, name=name)
    bento_tag = build_bento(decision, version, name=name)
    blessing = try_bento(bento_tag, decision, version, manifest, name=name)
    promote(version, decision, blessing, name=name, alerts=config.alerts)

"""The file that `flyte-awsbatch config init` writes."""

from __future__ import annotations

STARTING_FILE = """\
# Settings for flytekitplugins-awsbatch. All but `emulator` is Flyte's own configuration: blocks of a deployment's files
# can be pasted over the ones here, and whole files, Helm values too, can be given beside this one.
#   export FLYTE_AWSBATCH_CONFIG=awsbatch.yaml
#   flyte-awsbatch config check awsbatch.yaml
#   flyte-awsbatch queue explain -p flytesnacks -d development my_module.my_workflow

# FlyteAdmin.
flyteadmin:
  # The annotation that carries an execution's role to the handler.
  roleNameKey: eks.amazonaws.com/role-arn

queues:
  # One item for each AWS Batch job queue: its name, and the tags by which rules find it.
  executionQueues:
    - dynamic: default
      attributes: [default]
    # - dynamic: gpu
    #   attributes: [gpu]

  # Which executions go where. A rule is for those whose project, domain and workflow are the ones that it gives; the
  # most specific rule that finds a queue with all of its tags wins.
  workflowConfigs:
    # - project: vision
    #   domain: production
    #   workflowName: train.train_all
    #   tags: [gpu]
    # For all others.
    - tags: [default]

# FlytePropeller.
plugins:
  aws:
    region: us-east-2
    # accountId: "111122223333"
    batch:
      # The same as flyteadmin.roleNameKey.
      roleAnnotationKey: eks.amazonaws.com/role-arn
      # The largest array that the handler submits; larger maps fail.
      # maxArrayJobSize: 5000

tasks:
  task-plugins:
    enabled-plugins:
      - container
      - aws_array
    default-for-task-types:
      # Map tasks.
      container_array: aws_array
      # Single tasks with AWSBatchConfig.
      aws-batch: aws_array

# This package.
emulator:
  # Whose execution a run is, where `pyflyte run -p -d` does not say.
  project: flytesnacks
  domain: development
  # The role of the jobs; a launch on a cluster names it. An account needs a real one: see config check --policies.
  role: arn:aws:iam::000000000000:role/local
  # How rules are followed: documented | flyteadmin (1.16, to the letter) | flyteadmin-2019
  queue_matching: documented
  # What to do where Flyte would hang or fail: safe | strict (as Flyte)
  fidelity: safe
  # Cores of the local compute environment; 0 for this machine's.
  vcpus: 0
  # What a job sees of the caller's environment: inherit | clean
  environment: inherit
"""

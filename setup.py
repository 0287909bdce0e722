import re
from pathlib import Path

from setuptools import find_namespace_packages, setup


def long_description() -> str:
    """The README for a package index: without pictures and links of the repository, which lead nowhere there."""
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    text = re.sub(r"^!\[[^\]]*\]\((?!https?://)[^)]*\)\n+", "", text, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]+)\]\((?!https?://)[^)]*\)", r"\1", text)


setup(
    name="flytekitplugins-awsbatch",
    version="1.17.0",
    description="AWS Batch for flytekit: single and map tasks, and an emulated AWS Batch to run them on",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_namespace_packages(include=["flytekitplugins.*"]),
    py_modules=["flytekitplugins_awsbatch_pytest", "flytekitplugins_awsbatch_timeout"],
    package_data={
        "flytekitplugins.awsbatch": ["py.typed", "*.json", "*/*.yaml", "ui/assets/*"],
    },
    python_requires=">=3.10,<3.13",
    # flytekit brings everything the runtime needs (fsspec, aiohttp, botocore, rich, click, pyyaml, protobuf). An older
    # aiohttp, which it admits, gives its server no `shutdown_timeout`, and every connection ends without an answer.
    install_requires=["flytekit>=1.16,<2", "aiohttp>=3.9"],
    extras_require={
        "test": [
            # The client that users have, against the local service. The make targets upgrade pip first: pip 23 needs
            # minutes to find the one boto3 that fits the botocore which flytekit's s3fs pins.
            "boto3",
            "pytest>=8",
            # Branch coverage, child processes included.
            "pytest-cov>=5",
            # The suite waits for child processes as much as it computes: side by side it takes half the time.
            "pytest-xdist>=3.5",
            # A hanging child must fail a test, not the CI run.
            "pytest-timeout>=2.3",
            # Parsers and state machines against inputs nobody thought of.
            "hypothesis>=6.100",
            "ruff==0.15.*",
            "mypy>=1.11",
            # The wire shapes of AWS Batch, typed.
            "mypy-boto3-batch",
            "types-protobuf",
            "types-PyYAML",
            # A test runs this file, and environments of Python 3.12 bring it no longer.
            "setuptools",
            # What users hand to tasks and flytekit does not bring: tables, models, notebooks. 15 seconds together.
            "pandas",
            "pyarrow",
            "pydantic",
            "flytekitplugins-papermill",
        ],
    },
    entry_points={
        "console_scripts": [
            "flyte-awsbatch=flytekitplugins.awsbatch.cli.main:main",
            "pyflyte-awsbatch-map-execute=flytekitplugins.awsbatch.entrypoint:main",
            "pyflyte-awsbatch-timeout=flytekitplugins_awsbatch_timeout:main",
        ],
        # Any process of this installation can read what a local run stores, whether it imports this package or not.
        "fsspec.specs": ["awsbatch=flytekitplugins.awsbatch.container.raw_files.RawFileSystem"],
        "pytest11": ["flytekitplugins-awsbatch=flytekitplugins_awsbatch_pytest"],
    },
    classifiers=[
        "Intended Audience :: Science/Research",
        "Intended Audience :: Developers",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering",
        "Topic :: Software Development :: Libraries :: Python Modules",
        "Typing :: Typed",
    ],
)

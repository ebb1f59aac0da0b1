"""Faults of the distributions."""

from tests.mutations import Mutation

MUTATIONS = [
    Mutation(
        "io/directory.py",
        "import numpy as np\n",
        "import numpy as np\nimport torch\n",
        "meta/test_distribution_packages.py::test_the_runtime_imports_no_library_but_its_requirements",
    ),
    Mutation(
        "_core/distribution_packages.py",
        "> 1:",
        "> 2:",
        "meta/test_distribution_packages.py::test_distributions_of_two_versions_are_refused",
    ),
    Mutation(
        "_core/distribution_packages.py",
        "for name in (_FULL, _RUNTIME)} - {None}",
        "for name in versions}",
        "meta/test_distribution_packages.py::test_distributions_of_one_version_go_together",
    ),
    Mutation(
        "__init__.py",
        'with extra, requires_full_distribution(f"throughtime.{name}"):',
        "with extra:",
        "meta/test_distribution_packages.py::test_all_that_the_runtime_distribution_ships_can_be_imported_without_other_libraries",
    ),
    Mutation(
        "app/cli.py",
        'case ["--help"]:',
        'case ["--helper"]:',
        "meta/test_bare_environment.py::test_the_core_has_a_help_and_a_version",
    ),
    Mutation(
        "app/cli.py",
        'with requires("forecast", "the command line"):',
        'with requires("text", "the command line"):',
        "meta/test_bare_environment.py::test_the_command_line_names_the_line_that_installs_it",
    ),
]

"""Conformance checks for plugins: what ganforge and its users rely on, and what to change.

In a plugin's tests::

    from ganforge.testing import check_plugin

    def test_the_plugin_keeps_its_contract():
        check_plugin("acme")

``ganforge check-plugin acme`` makes the same checks on the command line. Who has a reason to break
a rule takes the findings and leaves one out::

    failed = [f for f in examine("acme") if f.failed and f.check != "double-backward"]
"""

from ganforge.testing.examine import check_plugin, examine
from ganforge.testing.findings import Finding

__all__ = ["Finding", "check_plugin", "examine"]

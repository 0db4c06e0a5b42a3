"""A number that a column cannot hold is in no row.

Django says so itself of `=`, `<` and `>`; at `in` the database would fail. Choices of several rows and the admin's
actions ask with `in`, and what they ask for comes from the browser.
"""

from typing import Any

from django.db.models import IntegerField
from django.db.models.lookups import In


@IntegerField.register_lookup
class IntegerIn(In):
    def process_rhs(self, compiler: Any, connection: Any) -> Any:
        if self.rhs_is_direct_value():
            low, high = connection.ops.integer_field_range(self.lhs.output_field.get_internal_type())
            self.rhs = [value for value in self.rhs if not isinstance(value, int) or (
                (low is None or low <= value) and (high is None or value <= high))]
        return super().process_rhs(compiler, connection)

from django.db import migrations

from dashboard import append_only


def install(apps, schema_editor):
    append_only.install(schema_editor.connection)


def lift(apps, schema_editor):
    append_only.lift(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ('dashboard', '0002_takeover_outcomes'),
    ]

    operations = [
        migrations.RunPython(install, lift, elidable=False),
    ]

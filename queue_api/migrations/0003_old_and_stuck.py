

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('queue_api', '0002_whose_hands'),
    ]

    operations = [
        migrations.AddField(
            model_name='account',
            name='blank_after_s',
            field=models.PositiveIntegerField(blank=True, help_text='Without a good list for longer, numbers and times are not shown any more, not even greyed. Empty: one minute.', null=True, validators=[django.core.validators.MinValueValidator(5)], verbose_name='a dash instead of numbers after, seconds'),
        ),
        migrations.AddField(
            model_name='account',
            name='stuck_after_s',
            field=models.PositiveIntegerField(blank=True, help_text='A call of which nothing has changed for longer is marked, and left out of the longest wait. Empty: four hours.', null=True, validators=[django.core.validators.MinValueValidator(60)], verbose_name='may be stuck after, seconds'),
        ),
    ]

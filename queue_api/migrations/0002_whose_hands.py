

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('queue_api', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='account',
            name='arm_first',
            field=models.BooleanField(default=False, help_text='The first click on a takeover button only arms it; a second one within 4 seconds asks DeepCall.', verbose_name='arm first'),
        ),
        migrations.AddField(
            model_name='account',
            name='own_session_required',
            field=models.BooleanField(default=False, help_text="A takeover then needs the supervisor's own DeepCall session; this account's is not used for it.", verbose_name='own session required'),
        ),
    ]

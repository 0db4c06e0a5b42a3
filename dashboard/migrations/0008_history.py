import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('dashboard', '0007_second_factor'),
        ('queue_api', '0004_idle_interval'),
    ]

    operations = [
        migrations.DeleteModel(
            name='ObservedCall',
        ),
        migrations.CreateModel(
            name='ObservedCall',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'call_key', 'life', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='queue_api.account')),
                ('offered_at', models.PositiveBigIntegerField()),
                ('last_seen_at', models.PositiveBigIntegerField()),
                ('answered_at', models.PositiveBigIntegerField(null=True)),
                ('gone_at', models.PositiveBigIntegerField(null=True)),
                ('ended_at', models.PositiveBigIntegerField(null=True)),
                ('wait_ms', models.PositiveBigIntegerField(null=True)),
                ('talk_ms', models.PositiveBigIntegerField(null=True)),
                ('minute', models.PositiveIntegerField()),
                ('life', models.PositiveSmallIntegerField(default=0)),
                ('at_least', models.BooleanField(default=False)),
                ('answered', models.BooleanField(default=False)),
                ('call_key', models.CharField(max_length=128)),
                ('queue_key', models.CharField(blank=True, max_length=128)),
                ('kind', models.CharField(blank=True, max_length=20)),
                ('agent_id', models.CharField(blank=True, max_length=128)),
                ('agent_name', models.CharField(blank=True, max_length=120)),
                ('outcome', models.CharField(max_length=10)),
            ],
            options={
                'indexes': [models.Index(fields=['account', 'minute'], name='observed_minute')],
            },
        ),
        migrations.CreateModel(
            name='CallMinute',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'minute', 'queue_key', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='queue_api.account')),
                ('wait_ms', models.PositiveBigIntegerField(default=0)),
                ('wait_most_ms', models.PositiveBigIntegerField(default=0)),
                ('talk_ms', models.PositiveBigIntegerField(default=0)),
                ('minute', models.PositiveIntegerField()),
                ('offered', models.PositiveIntegerField(default=0)),
                ('answered', models.PositiveIntegerField(default=0)),
                ('unanswered', models.PositiveIntegerField(default=0)),
                ('unknown', models.PositiveIntegerField(default=0)),
                ('within', models.PositiveIntegerField(default=0)),
                ('waits', models.PositiveIntegerField(default=0)),
                ('talks', models.PositiveIntegerField(default=0)),
                ('waiting_most', models.PositiveIntegerField(default=0)),
                ('queue_key', models.CharField(blank=True, max_length=128)),
            ],
        ),
        migrations.CreateModel(
            name='Watched',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='queue_api.account')),
                ('began_at', models.PositiveBigIntegerField()),
                ('until', models.PositiveBigIntegerField()),
            ],
            options={
                'indexes': [models.Index(fields=['account', 'until'], name='watched_until')],
            },
        ),
    ]



import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('dashboard', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Preference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('arm_first', models.BooleanField(default=False, verbose_name='takeovers need a second click')),
            ],
        ),
        migrations.AddField(
            model_name='seat',
            name='ssid_refused_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='own session refused'),
        ),
        migrations.AddField(
            model_name='seat',
            name='ssid_refused_code',
            field=models.CharField(blank=True, default='', editable=False, max_length=16),
        ),
        migrations.AddField(
            model_name='seat',
            name='ssid_stored_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='own session stored'),
        ),
        migrations.AddField(
            model_name='takeoverattempt',
            name='agent_after',
            field=models.CharField(blank=True, max_length=128),
        ),
        migrations.AddField(
            model_name='takeoverattempt',
            name='agent_after_name',
            field=models.CharField(blank=True, max_length=120),
        ),
        migrations.AddField(
            model_name='takeoverattempt',
            name='agent_before_name',
            field=models.CharField(blank=True, max_length=120),
        ),
        migrations.AddField(
            model_name='takeoverattempt',
            name='gone_lists',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='takeoverattempt',
            name='list_mark',
            field=models.CharField(blank=True, max_length=16),
        ),
        migrations.AddField(
            model_name='takeoverattempt',
            name='looked_at',
            field=models.PositiveBigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='takeoverattempt',
            name='retry_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='takeoverattempt',
            name='session_mark',
            field=models.CharField(blank=True, max_length=8),
        ),
        migrations.AddField(
            model_name='takeoverattempt',
            name='tried_until',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='takeoverattempt',
            name='unmoved_lists',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='takeoverattempt',
            name='verdict',
            field=models.CharField(blank=True, choices=[('moved', 'it moved'), ('not-moved', 'it did not move')], max_length=10),
        ),
        migrations.AddField(
            model_name='takeoverattempt',
            name='verdict_by',
            field=models.CharField(blank=True, max_length=150),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['at'], name='audit_at'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['attempt_id'], name='audit_attempt'),
        ),
        migrations.AddField(
            model_name='preference',
            name='user',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='preference', to=settings.AUTH_USER_MODEL),
        ),
    ]

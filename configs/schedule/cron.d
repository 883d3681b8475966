# /etc/cron.d/ingest: the stock files every night at 02:30, as the user `ingest`.
#
# cron gives a job no token: put it where the program looks for it, ~/aio/avalanchio.ini of that user
# (mode 0600), and not into this file, which everybody can read.
#
# No flock: the job's lock is the program's own. A night that finds the last one still loading is
# skipped (exit 0). After five hours the run ends in order (exit 130) and the next night goes on.
# Nothing is printed when all is well (--quiet), so cron's mail is a message that matters.
#
# Exit 3 (some rejected) is mailed by its warning line. 7, 130 and 143 need nobody: the next night
# goes on. 1, 2, 4 and 6 need a person; see README.md beside this file.

SHELL=/bin/sh
PATH=/opt/ingest/bin:/usr/bin:/bin
MAILTO=data-team@example.com

# minute hour day month weekday user command
30 2 * * * ingest ingest run /etc/ingest/stocks.toml --state-dir /var/lib/ingest --if-running skip --max-duration 5h --quiet --metrics /var/lib/prometheus/node-exporter/ingest.prom

"""A trainer service for tests: a real HTTP process that speaks both contracts, and does what such services do at night.

``python -m tests.reference_service --trainers 1000 --seed 1`` prints its port and serves until its standard input
closes; ``running.running(…)`` starts it from a test. One trainer of the bulk contract, as it is sent::

    {"trainerId": "T000001", "name": "Asha Rao", "available": true, "franchiseId": "F1", "zoneIds": ["…"],
     "certifiedCourses": ["…"], "location": {"latitude": 17.68, "longitude": 83.21},
     "workingHours": [{"weekday": 0, "starts": "09:00", "ends": "17:00"}],
     "timeOff": [{"startsAt": "2027-01-04T00:00:00Z", "endsAt": "2027-01-05T00:00:00Z", "reason": "Leave"}],
     "updatedAt": "2025-03-04T05:06:07.000000Z"}

``weekday`` 0 is Monday; ``ends`` 00:00 is midnight at the day's end; instants are UTC. In the deployed contract a row
of the list is ``trainerId``, ``name``, ``available``; one trainer is ``{"data": {…}}`` with those,
``profile.certifications``, ``location``, ``franchiseId`` and ``franchise.id``. What is sent is made of what is kept, so
a test may set any field of any trainer to anything, and leave out or null any field of all of them.
"""

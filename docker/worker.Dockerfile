# The environment of a worker, for machines that should not install it at every start. From the root of the repository:
#   docker build -f docker/worker.Dockerfile -t embedfleet-worker .
#   docker build -f docker/worker.Dockerfile --build-arg LOCK=vllm -t embedfleet-worker-vllm .
# Versions are those of the lock that rented machines use, checked by hash.
FROM python:3.12.8-slim-bookworm

ARG LOCK=torch
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1

COPY tasks/requirements/ /tmp/requirements/
RUN python -m venv /opt/embedfleet \
    && /opt/embedfleet/bin/python -m pip install --require-hashes -r "/tmp/requirements/${LOCK}.txt" \
    && rm -r /tmp/requirements

RUN useradd --create-home --uid 10001 embedfleet
WORKDIR /home/embedfleet
COPY tasks/ /home/embedfleet/tasks/
ENV EMBEDFLEET_ENV=/opt/embedfleet PATH=/opt/embedfleet/bin:$PATH
# By number: Kubernetes' runAsNonRoot cannot tell a name from root.
USER 10001
ENTRYPOINT ["python", "-m", "tasks.supervisor"]

# The command embedfleet: plans, prices, runs on this machine, reports. From the root of the repository:
#   docker build -f docker/laptop.Dockerfile -t embedfleet .
#   docker run --rm -it --user "$(id -u):$(id -g)" -e HOME=/tmp -v "$PWD:/work" embedfleet plan job.yaml
# The user is yours, so that plans, runs and vectors can be written into the folder.
# EXTRAS are those of the README. Renting machines (cloud) and embedding with vLLM want environments of their own.
FROM python:3.12.8-slim-bookworm

ARG EXTRAS=s3,gcs
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1

COPY . /src/
RUN python -m pip install -c /src/constraints.txt "/src[${EXTRAS}]" && rm -r /src

RUN useradd --create-home --uid 10001 embedfleet
# By number: Kubernetes' runAsNonRoot cannot tell a name from root.
USER 10001
WORKDIR /work
ENTRYPOINT ["embedfleet"]
CMD ["--help"]

# syntax=docker/dockerfile:1
# ctexp in a container. Research software; not a medical device.
#
#   docker build -t ctexp .                                     # for processors
#   docker build -t ctexp:gpu --build-arg EXTRAS=dicom,gpu .    # for NVIDIA GPUs; CUDA comes with TensorFlow
#
# The current folder is the project; nothing needs the network:
#
#   docker run --rm --network none --user "$(id -u):$(id -g)" -v "$PWD:/study" ctexp train --data scans/
#   docker run --rm --gpus all --network none --user "$(id -u):$(id -g)" -v "$PWD:/study" ctexp:gpu train --data scans/
#
# `mlflow ui` for that folder, on http://127.0.0.1:5000:
#
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/study" -p 127.0.0.1:5000:5000 --entrypoint mlflow \
#       ctexp ui --host 0.0.0.0
#
# The service, behind a proxy that speaks TLS; the token lies in a file of mode 600, CTEXP_TOKEN=...:
#
#   docker run -d --user "$(id -u):$(id -g)" -v "$PWD:/study" --env-file token.env -p 127.0.0.1:8080:8080 \
#       ctexp serve --host 0.0.0.0

ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY ctexp ctexp
COPY sweeps sweeps
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim
ARG EXTRAS=dicom
# git: a run logs the commit of the project that it was started in.
RUN apt-get update && apt-get install --yes --no-install-recommends git && rm -rf /var/lib/apt/lists/*
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/ctexp-*.whl)[${EXTRAS}]"
# A user of any number may run it: with a name, a home that can be written to, and no complaint about the folder's owner.
RUN useradd --create-home ctexp && chmod 0777 /home/ctexp && git config --system --add safe.directory /study
ENV HOME=/home/ctexp USER=ctexp MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true RAY_USAGE_STATS_ENABLED=0 \
    ORT_DISABLE_TELEMETRY=1
USER ctexp
WORKDIR /study
ENTRYPOINT ["ctexp"]

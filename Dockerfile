# A server of saved models, without torch and without a compiler.
#
#   make wheel                      # or nothing: a release is taken from the package index
#   docker build -t throughtime .
#   docker run --rm -p 127.0.0.1:8000:8000 -e THROUGHTIME_TOKEN -v ./model:/model:ro throughtime
#
# Inside the container the server listens on all addresses, so it requires the token in THROUGHTIME_TOKEN.
# docs/installation.md states the size of the image.
FROM python:3.13-slim-bookworm AS build
# LICENSE is there even where dist/ is not.
COPY LICENSE dist* /dist/
# The version is that of dist/, or the newest release.
# hadolint ignore=DL3013
RUN python -m venv --without-pip /opt/throughtime \
    && pip --python /opt/throughtime/bin/python install --no-cache-dir --no-compile --only-binary :all: \
       --find-links /dist "throughtime-runtime[serve]"

FROM python:3.13-slim-bookworm
COPY --from=build /opt/throughtime /opt/throughtime
ENV PATH="/opt/throughtime/bin:$PATH" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65534
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["python", "-m", "throughtime.serve"]
CMD ["/model", "--host", "0.0.0.0", "--port", "8000"]

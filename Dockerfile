# imlgcn without PyTorch: it serves a tagger that holds an exported file, and tags with it. It runs
# as a user without rights; the root file system may be read-only.
#
#   docker build --tag imlgcn .
#   docker run --rm --read-only --tmpfs /tmp --env IMLGCN_TOKEN --publish 127.0.0.1:8000:8000 \
#     --volume "$PWD/runs:/taggers:ro" imlgcn serve /taggers/demo --host 0.0.0.0
FROM python:3.13-slim AS wheel
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel /source

FROM python:3.13-slim
# bytecode is compiled here: a root file system that is read-only cannot keep it later
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip install --no-cache-dir "$(ls /wheel/*.whl)[serve]" \
    && useradd --uid 10001 --no-create-home imlgcn
ENV IMLGCN_CACHE=/tmp/imlgcn PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp
USER 10001
WORKDIR /tmp
VOLUME /taggers
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["imlgcn"]
CMD ["serve", "/taggers/demo", "--host", "0.0.0.0", "--engine", "onnxruntime", "--log", "json"]

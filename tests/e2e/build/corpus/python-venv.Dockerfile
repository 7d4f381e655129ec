ARG PYTHON_VERSION=3.12-slim
FROM python:${PYTHON_VERSION} AS builder
ENV VIRTUAL_ENV=/opt/venv
RUN python -m venv $VIRTUAL_ENV
ENV PATH="$VIRTUAL_ENV/bin:$PATH"
COPY requirements.txt ./
RUN pip install -r requirements.txt

FROM python:${PYTHON_VERSION}
RUN adduser -D -u 10001 app
COPY --from=builder /opt/venv /opt/venv
WORKDIR /home/app
COPY --chown=app:app app.py src/*.py ./
USER app
ENV PATH="/opt/venv/bin:$PATH"
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 \
  CMD python -c "import urllib.request" || exit 1
ENTRYPOINT ["gunicorn"]
CMD ["-b", "0.0.0.0:8000", "app:app"]
